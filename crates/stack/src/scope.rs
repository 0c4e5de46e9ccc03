//! Evaluation: parameters, pseudo parameters, and the names and attributes that resources will have.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};

use crate::{
    Parameters, arn,
    error::{Fault, Outcome},
    intrinsics::{self, Piece},
    node::{Entry, Kind, Node},
    notes::Notes,
    resources,
    template::{Resource, Template},
};

/// Characters of one evaluated text: ours, above anything that the service takes. `Fn::Sub` over `Fn::Sub` doubles.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Characters of all evaluated texts together: ours.
const TEXT_BYTES_TOTAL_MAX: usize = 64 * 1024 * 1024;

/// A checked template, and what its intrinsics see. [`crate::graph::check`] comes first: it rules out circles.
pub(crate) struct Scope<'t> {
    settings: &'t Parameters,
    template: &'t Template,
    by_id: HashMap<&'t str, &'t Resource>,
    /// Physical names made so far, so that each is made once however often it is referred to.
    names: RefCell<HashMap<&'t str, String>>,
    notes: RefCell<Notes>,
    text_bytes: Cell<usize>,
}

impl<'t> Scope<'t> {
    pub(crate) fn new(settings: &'t Parameters, template: &'t Template, notes: Notes) -> Self {
        let by_id =
            template.resources.iter().map(|resource| (resource.logical_id.as_str(), resource)).collect();
        let (names, notes) = (RefCell::default(), RefCell::new(notes));
        Self { settings, template, by_id, names, notes, text_bytes: Cell::new(0) }
    }

    /// Makes every physical name, in an order in which none needs one that is not made yet: so a long chain of
    /// references does not recurse.
    pub(crate) fn name_all(&self, order: &[&str]) -> Outcome<()> {
        for id in order {
            if let Some(resource) = self.by_id.get(id) {
                self.name_of(resource)?;
            }
        }
        Ok(())
    }

    pub(crate) fn settings(&self) -> &'t Parameters {
        self.settings
    }

    pub(crate) fn note(&self, line: usize, text: &str, name: &str) {
        self.notes.borrow_mut().add(line, text, name);
    }

    pub(crate) fn into_notes(self) -> Notes {
        self.notes.into_inner()
    }

    /// The value of `node` without intrinsics; `None` for `AWS::NoValue`, which stands for a key that is not there.
    pub(crate) fn evaluate(&self, node: &Node) -> Outcome<Option<Node>> {
        if let Some((name, argument)) = intrinsics::of(node) {
            return self.call(name, argument, node.line);
        }
        let kind = match &node.kind {
            Kind::Text(text) => Kind::Text(text.clone()),
            Kind::Seq(items) => {
                let items = items.iter().filter_map(|item| self.evaluate(item).transpose());
                Kind::Seq(items.collect::<Outcome<_>>()?)
            }
            Kind::Map(entries) => {
                let mut evaluated = Vec::with_capacity(entries.len());
                for Entry { key, line, value } in entries {
                    if let Some(value) = self.evaluate(value)? {
                        evaluated.push(Entry { key: key.clone(), line: *line, value });
                    }
                }
                Kind::Map(evaluated)
            }
        };
        Ok(Some(Node { line: node.line, kind }))
    }

    fn call(&self, name: &str, argument: &Node, line: usize) -> Outcome<Option<Node>> {
        let text = match name {
            "Ref" => {
                return self
                    .reference(expect_text(argument, "Ref", "the name of a resource or parameter")?, line);
            }
            "Fn::GetAtt" => self.get_att(argument, line)?,
            "Fn::Sub" => self.sub(argument, line)?,
            "Fn::Join" => self.join(argument, line)?,
            other => {
                let message = format!(
                    "{other} is not supported yet; supported are {}",
                    intrinsics::SUPPORTED.join(", ")
                );
                return Err(Fault::at(line, message));
            }
        };
        self.count(&text, line)?;
        Ok(Some(Node::text(line, text)))
    }

    fn count(&self, text: &str, line: usize) -> Outcome<()> {
        let total = self.text_bytes.get() + text.len();
        self.text_bytes.set(total);
        if text.len() > TEXT_BYTES_MAX || total > TEXT_BYTES_TOTAL_MAX {
            let message = format!(
                "texts grow past {TEXT_BYTES_MAX} bytes here, or {TEXT_BYTES_TOTAL_MAX} in all; make them shorter"
            );
            return Err(Fault::at(line, message));
        }
        Ok(())
    }

    fn reference(&self, name: &str, line: usize) -> Outcome<Option<Node>> {
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        if let Some(value) = self.template.parameters.get(name) {
            return Ok(Some(value.clone()));
        }
        if let Some(value) = self.pseudo(name) {
            return Ok(Some(Node::text(line, value)));
        }
        match self.by_id.get(name) {
            Some(resource) => Ok(Some(Node::text(line, self.name_of(resource)?))),
            None if name.starts_with("AWS::") => {
                Err(Fault::at(line, format!("{name} is not a pseudo parameter that is known here")))
            }
            None => Err(Fault::at(line, format!("{name} is neither a resource nor a parameter"))),
        }
    }

    fn pseudo(&self, name: &str) -> Option<String> {
        let Parameters { region, account_id, stack_name, .. } = self.settings;
        Some(match name {
            "AWS::Region" => region.clone(),
            "AWS::AccountId" => account_id.clone(),
            "AWS::StackName" => stack_name.clone(),
            "AWS::Partition" => arn::PARTITION.to_owned(),
            "AWS::URLSuffix" => arn::URL_SUFFIX.to_owned(),
            "AWS::StackId" => {
                let partition = arn::PARTITION;
                let id = arn::fnv1a(stack_name.as_bytes());
                format!("arn:{partition}:cloudformation:{region}:{account_id}:stack/{stack_name}/{id:016x}")
            }
            _ => return None,
        })
    }

    /// What `Ref` gives for `resource`.
    pub(crate) fn name_of(&self, resource: &'t Resource) -> Outcome<String> {
        if let Some(name) = self.names.borrow().get(resource.logical_id.as_str()) {
            return Ok(name.clone());
        }
        let name = resources::reference(self, resource)?;
        self.names.borrow_mut().insert(&resource.logical_id, name.clone());
        Ok(name)
    }

    fn attribute(&self, id: &str, attribute: &str, line: usize) -> Outcome<String> {
        match self.by_id.get(id) {
            Some(resource) => resources::attribute(self, resource, attribute, line),
            None => Err(Fault::at(line, format!("{id} is not a resource; Fn::GetAtt reads resources only"))),
        }
    }

    fn get_att(&self, argument: &Node, line: usize) -> Outcome<String> {
        match &argument.kind {
            Kind::Text(text) => match text.split_once('.') {
                Some((id, attribute)) => self.attribute(id, attribute, line),
                None => Err(Fault::at(
                    line,
                    format!("Fn::GetAtt {text} names no attribute; write {text}.Arn or alike"),
                )),
            },
            Kind::Seq(items) => match items.as_slice() {
                [id, attribute] => {
                    let id = expect_text(id, "Fn::GetAtt", "the name of a resource")?;
                    let attribute = self.text(attribute, "the attribute of Fn::GetAtt")?;
                    self.attribute(id, &attribute, line)
                }
                _ => {
                    Err(Fault::at(line, "Fn::GetAtt takes two values: a resource and one of its attributes"))
                }
            },
            Kind::Map(_) => Err(Fault::at(line, "Fn::GetAtt takes a text or a list of two, not a mapping")),
        }
    }

    fn sub(&self, argument: &Node, line: usize) -> Outcome<String> {
        let (text, own) = match &argument.kind {
            Kind::Text(text) => (text, &[][..]),
            Kind::Seq(items) => match items.as_slice() {
                [Node { kind: Kind::Text(text), .. }, own @ Node { kind: Kind::Map(_), .. }] => {
                    (text, own.entries())
                }
                _ => return Err(Fault::at(line, "Fn::Sub takes a text, or a list of a text and a mapping")),
            },
            Kind::Map(_) => {
                return Err(Fault::at(line, "Fn::Sub takes a text, or a list of a text and a mapping"));
            }
        };
        let mut result = String::new();
        for piece in intrinsics::pieces(text).map_err(|message| Fault::at(line, message))? {
            match piece {
                Piece::Literal(literal) => result.push_str(literal),
                Piece::Variable(name) => match own.iter().find(|entry| entry.key == name) {
                    Some(entry) => result.push_str(&self.text(&entry.value, &format!("{name} in Fn::Sub"))?),
                    None => result.push_str(&self.variable(name, line)?),
                },
            }
            if result.len() > TEXT_BYTES_MAX {
                break; // the caller's count says why
            }
        }
        Ok(result)
    }

    fn variable(&self, name: &str, line: usize) -> Outcome<String> {
        match name.split_once('.') {
            Some((id, attribute)) => self.attribute(id, attribute, line),
            None => match self.reference(name, line)? {
                Some(Node { kind: Kind::Text(text), .. }) => Ok(text),
                Some(other) => Err(Fault::at(
                    line,
                    format!("{name} is {}; Fn::Sub can only put in a text", other.noun()),
                )),
                None => Err(Fault::at(line, format!("{name} has no text that Fn::Sub could put in"))),
            },
        }
    }

    fn join(&self, argument: &Node, line: usize) -> Outcome<String> {
        let usage = || Fault::at(line, "Fn::Join takes two values: a delimiter and a list of texts");
        let Kind::Seq(arguments) = &argument.kind else { return Err(usage()) };
        let [delimiter, items] = arguments.as_slice() else { return Err(usage()) };
        let delimiter = expect_text(delimiter, "Fn::Join", "a delimiter")?;
        let Some(Node { kind: Kind::Seq(items), .. }) = self.evaluate(items)? else { return Err(usage()) };
        let mut result = String::new();
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                result.push_str(delimiter);
            }
            result.push_str(expect_text(item, "Fn::Join", "texts in its list")?);
            if result.len() > TEXT_BYTES_MAX {
                break; // the caller's count says why
            }
        }
        Ok(result)
    }

    /// Evaluates to a text, named `what` in the sentence if it is something else.
    pub(crate) fn text(&self, node: &Node, what: &str) -> Outcome<String> {
        match self.evaluate(node)? {
            Some(Node { kind: Kind::Text(text), .. }) => Ok(text),
            Some(other) => {
                Err(Fault::at(node.line, format!("{what} is {}; it must be a text", other.noun())))
            }
            None => Err(Fault::at(node.line, format!("{what} has no value; it must be a text"))),
        }
    }
}

fn expect_text<'a>(node: &'a Node, function: &str, wanted: &str) -> Outcome<&'a str> {
    node.as_text()
        .ok_or_else(|| Fault::at(node.line, format!("{function} takes {wanted}, not {}", node.noun())))
}
