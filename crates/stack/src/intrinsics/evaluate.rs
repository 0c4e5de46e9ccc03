//! Evaluation: parameters, pseudo parameters, mappings, conditions, and the names and attributes that resources have.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    rc::Rc,
};

use super::sub::{self, Piece};
use crate::{
    Parameters, arn,
    error::{Fault, Outcome},
    findings::Findings,
    intrinsics,
    node::{Entry, Kind, Node},
    resolve::Resource,
    source::Span,
};

/// Bytes of one evaluated text: ours, above anything that the service takes. `Fn::Sub` over `Fn::Sub` doubles.
pub(super) const TEXT_BYTES_MAX: usize = 64 * 1024;

/// What the intrinsics of one template see.
pub(crate) struct Scope<'t> {
    pub(crate) settings: &'t Parameters,
    pub(crate) findings: &'t Findings,
    /// `AWS::StackName`; that of a nested stack is its own.
    pub(crate) stack_name: String,
    /// A text or a list of texts each.
    pub(crate) parameters: HashMap<String, Node>,
    pub(crate) mappings: Option<Node>,
    /// Expressions, and what came of those evaluated so far.
    pub(crate) conditions: HashMap<String, Node>,
    pub(crate) decided: RefCell<HashMap<String, Option<bool>>>,
    /// How many conditions are being evaluated, each for the one before.
    pub(crate) condition_depth: Cell<usize>,
    /// Whether the template has the transform of `Fn::Length` and its like.
    pub(crate) language_extensions: bool,
    /// Logical ids of the template, and which of them a condition leaves out.
    pub(crate) declared: HashSet<String>,
    pub(crate) left_out: HashSet<String>,
    /// Logical ids of resources that are at fault before they are evaluated.
    pub(crate) unreadable: HashSet<String>,
    /// Resources whose turn has come; [`crate::graph`] sees to it that none is asked for earlier.
    pub(crate) resources: HashMap<String, Rc<Resource>>,
}

impl<'t> Scope<'t> {
    pub(crate) fn new(settings: &'t Parameters, findings: &'t Findings, stack_name: String) -> Self {
        Self {
            settings,
            findings,
            stack_name,
            parameters: HashMap::new(),
            mappings: None,
            conditions: HashMap::new(),
            decided: RefCell::default(),
            condition_depth: Cell::new(0),
            language_extensions: false,
            declared: HashSet::new(),
            left_out: HashSet::new(),
            unreadable: HashSet::new(),
            resources: HashMap::new(),
        }
    }

    /// The value of `node` without intrinsics; `None` for `AWS::NoValue`, which stands for a key that is not there.
    pub(crate) fn evaluate(&self, node: &Node) -> Outcome<Option<Node>> {
        if let Some((name, argument)) = intrinsics::of(node) {
            return self.call(name, argument, node.at);
        }
        let kind = match &node.kind {
            Kind::Text(text) => Kind::Text(text.clone()),
            Kind::Seq(items) => {
                let items = items.iter().filter_map(|item| self.evaluate(item).transpose());
                Kind::Seq(items.collect::<Outcome<_>>()?)
            }
            Kind::Map(entries) => {
                let mut evaluated = Vec::with_capacity(entries.len());
                for Entry { key, at, value } in entries {
                    if let Some(value) = self.evaluate(value)? {
                        evaluated.push(Entry { key: key.clone(), at: *at, value });
                    }
                }
                Kind::Map(evaluated)
            }
        };
        Ok(Some(Node { at: node.at, kind }))
    }

    fn call(&self, name: &str, argument: &Node, at: Span) -> Outcome<Option<Node>> {
        let value = match name {
            "Ref" => {
                let wanted = "the name of a resource or parameter";
                self.reference(expect_text(argument, "Ref", wanted)?, argument.at)?
            }
            "Fn::If" => self.evaluate(self.branch(argument)?)?,
            "Fn::GetAtt" => Some(self.get_att(argument)?),
            "Fn::Sub" => Some(Node::made(at, self.sub(argument)?)),
            "Fn::Join" => Some(Node::made(at, self.join(argument)?)),
            "Fn::Select" => self.select(argument)?,
            "Fn::Split" => Some(self.split(argument)?),
            "Fn::FindInMap" => self.find_in_map(argument)?,
            "Fn::Base64" => Some(self.base64(argument)?),
            "Fn::Cidr" => Some(self.cidr(argument)?),
            "Fn::GetAZs" => Some(self.zones(argument)?),
            "Fn::ImportValue" => Some(self.import(argument)?),
            "Fn::Length" => Some(self.length(argument, at)?),
            "Fn::ToJsonString" => Some(self.to_json_string(argument, at)?),
            "Fn::Transform" => {
                let message = "Fn::Transform runs a macro in the account; write out here what it gives";
                return Err(Fault::at(at, message));
            }
            other if other.starts_with("Fn::ForEach::") => {
                let message = format!("{other} must stand as a key among others, in Resources or Properties");
                return Err(Fault::at(at, message));
            }
            other => {
                let message = format!(
                    "{other} belongs into Conditions or Rules; give the condition a name there and use Fn::If"
                );
                return Err(Fault::at(at, message));
            }
        };
        if let Some(value) = &value {
            self.check_size(value, at)?;
        }
        Ok(value)
    }

    fn check_size(&self, value: &Node, at: Span) -> Outcome<()> {
        if value.as_text().is_some_and(|text| text.len() > TEXT_BYTES_MAX) {
            let message = format!("a text grows past {TEXT_BYTES_MAX} bytes here; make it shorter");
            return Err(Fault::at(at, message));
        }
        self.findings.count(value.size(), at)
    }

    /// The branch of `Fn::If` that its condition chooses.
    pub(crate) fn branch<'n>(&self, argument: &'n Node) -> Outcome<&'n Node> {
        let [condition, yes, no] = argument.items() else {
            let message =
                "Fn::If takes three values: a condition's name, and a value for each of its outcomes";
            return Err(Fault::at(argument.at, message));
        };
        let name = expect_text(condition, "Fn::If", "a condition's name")?;
        Ok(if self.condition(name, condition.at)? { yes } else { no })
    }

    fn reference(&self, name: &str, at: Span) -> Outcome<Option<Node>> {
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        if let Some(value) = self.parameters.get(name) {
            return Ok(Some(Node { at, kind: value.kind.clone() }));
        }
        if let Some(value) = self.pseudo(name, at) {
            return Ok(Some(value));
        }
        match self.resources.get(name) {
            Some(resource) => Ok(Some(Node::made(at, resource.reference.clone()))),
            None if name.starts_with("AWS::") => {
                Err(Fault::at(at, format!("{name} is not a pseudo parameter that is known here")))
            }
            None => Err(self.lost(name, at)),
        }
    }

    /// The sentence for a name that leads nowhere.
    fn lost(&self, name: &str, at: Span) -> Fault {
        let what = if self.left_out.contains(name) {
            "is left out by its Condition"
        } else if self.declared.contains(name) {
            "is a resource; here only parameters are known"
        } else {
            "is neither a resource nor a parameter"
        };
        Fault::at(at, format!("{name} {what}"))
    }

    fn pseudo(&self, name: &str, at: Span) -> Option<Node> {
        let Parameters { region, account_id, .. } = self.settings;
        Some(Node::made(
            at,
            match name {
                "AWS::Region" => region.clone(),
                "AWS::AccountId" => account_id.clone(),
                "AWS::StackName" => self.stack_name.clone(),
                "AWS::Partition" => arn::PARTITION.to_owned(),
                "AWS::URLSuffix" => arn::URL_SUFFIX.to_owned(),
                "AWS::StackId" => arn::stack_id(self.settings, &self.stack_name),
                "AWS::NotificationARNs" => return Some(Node::seq(at, Vec::new())),
                _ => return None,
            },
        ))
    }

    fn get_att(&self, argument: &Node) -> Outcome<Node> {
        match &argument.kind {
            Kind::Text(text) => match text.value.split_once('.') {
                Some((id, attribute)) => self.attribute(id, attribute, argument.at),
                None => {
                    let text = &text.value;
                    let message = format!("Fn::GetAtt {text} names no attribute; write {text}.Arn or alike");
                    Err(Fault::at(argument.at, message))
                }
            },
            Kind::Seq(items) => match items.as_slice() {
                [id, attribute] => {
                    let at = id.at;
                    let id = expect_text(id, "Fn::GetAtt", "the name of a resource")?;
                    let attribute = self.text(attribute, "the attribute of Fn::GetAtt")?;
                    self.attribute(id, &attribute, at)
                }
                _ => {
                    let message = "Fn::GetAtt takes two values: a resource and one of its attributes";
                    Err(Fault::at(argument.at, message))
                }
            },
            Kind::Map(_) => {
                Err(Fault::at(argument.at, "Fn::GetAtt takes a text or a list of two, not a mapping"))
            }
        }
    }

    fn attribute(&self, id: &str, attribute: &str, at: Span) -> Outcome<Node> {
        match self.resources.get(id) {
            Some(resource) => Ok(Node::made(at, resource.attribute(attribute, self.settings, at)?)),
            None if self.parameters.contains_key(id) => {
                Err(Fault::at(at, format!("{id} is not a resource; Fn::GetAtt reads resources only")))
            }
            None => Err(self.lost(id, at)),
        }
    }

    fn sub(&self, argument: &Node) -> Outcome<String> {
        let usage = || Fault::at(argument.at, "Fn::Sub takes a text, or a list of a text and a mapping");
        let (node, own) = match &argument.kind {
            Kind::Text(_) => (argument, &[][..]),
            Kind::Seq(items) => match items.as_slice() {
                [text, own @ Node { kind: Kind::Map(_), .. }] => (text, own.entries()),
                _ => return Err(usage()),
            },
            Kind::Map(_) => return Err(usage()),
        };
        let text = node.as_text().ok_or_else(usage)?;
        let mut result = String::new();
        for piece in sub::pieces(text).map_err(|message| Fault::at(node.at, message))? {
            match piece {
                Piece::Literal(literal) => result.push_str(literal),
                Piece::Variable(name) => match own.iter().find(|entry| entry.key == name) {
                    Some(entry) => {
                        result.push_str(&self.text(&entry.value, &format!("{name} in Fn::Sub"))?);
                    }
                    None => result.push_str(&self.variable(name, node.at)?),
                },
            }
            if result.len() > TEXT_BYTES_MAX {
                break; // `check_size` says why
            }
        }
        Ok(result)
    }

    fn variable(&self, name: &str, at: Span) -> Outcome<String> {
        let value = match name.split_once('.') {
            Some((id, attribute)) => Some(self.attribute(id, attribute, at)?),
            None => self.reference(name, at)?,
        };
        match value {
            Some(Node { kind: Kind::Text(text), .. }) => Ok(text.value),
            Some(other) => {
                Err(Fault::at(at, format!("{name} is {}; Fn::Sub can only put in a text", other.noun())))
            }
            None => Err(Fault::at(at, format!("{name} has no text that Fn::Sub could put in"))),
        }
    }

    /// Evaluates to a text, named `what` in the sentence if it is something else.
    pub(crate) fn text(&self, node: &Node, what: &str) -> Outcome<String> {
        match self.evaluate(node)? {
            Some(Node { kind: Kind::Text(text), .. }) => Ok(text.value),
            Some(other) => Err(Fault::at(node.at, format!("{what} is {}; it must be a text", other.noun()))),
            None => Err(Fault::at(node.at, format!("{what} has no value; it must be a text"))),
        }
    }
}

pub(super) fn expect_text<'a>(node: &'a Node, function: &str, wanted: &str) -> Outcome<&'a str> {
    node.as_text()
        .ok_or_else(|| Fault::at(node.at, format!("{function} takes {wanted}, not {}", node.noun())))
}
