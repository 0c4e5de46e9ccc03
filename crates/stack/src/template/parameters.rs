//! Parameters that a template declares, and the values that they get.

use std::collections::{BTreeMap, HashMap};

use regex_lite::Regex;

use crate::{
    error::{Fault, Outcome},
    findings::Findings,
    node::{Entry, Kind, Node},
    source::Span,
};

/// Parameters of a template: the service's own limit.
const PARAMETERS_MAX: usize = 200;

/// Bytes of one value: the service's own limit.
const VALUE_BYTES_MAX: usize = 4_096;

/// Keys of a declaration.
const KEYS: [&str; 11] = [
    "Type",
    "Default",
    "Description",
    "AllowedValues",
    "AllowedPattern",
    "ConstraintDescription",
    "MinLength",
    "MaxLength",
    "MinValue",
    "MaxValue",
    "NoEcho",
];

/// The value of each parameter. One that is at fault gets what is closest, so that what refers to it is read as well.
pub(crate) fn read(
    root: &Node,
    values: &BTreeMap<String, String>,
    giver: Giver,
    findings: &Findings,
) -> HashMap<String, Node> {
    let Some(section) = root.get("Parameters") else {
        unknown(&[], Span::whole(root.at.source), values, findings);
        return HashMap::new();
    };
    let Kind::Map(declared) = &section.value.kind else {
        let message = format!("Parameters is {}; it must be a mapping", section.value.noun());
        findings.fault(Fault::at(section.value.at, message));
        return HashMap::new();
    };
    if let Some(entry) = declared.get(PARAMETERS_MAX) {
        let message = format!("a template has at most {PARAMETERS_MAX} parameters; this is one more");
        findings.fault(Fault::at(entry.at, message));
    }
    unknown(declared, section.at, values, findings);
    let value = |entry: &Entry| {
        let declaration = Declaration { name: &entry.key, at: entry.at, node: &entry.value, giver };
        let value = declaration.value(values.get(&entry.key));
        let closest = || {
            let text = Node::made(entry.at, values.get(&entry.key).unwrap_or(&entry.key));
            let kind = entry.value.get("Type").and_then(|entry| entry.value.as_text());
            if kind.is_some_and(|kind| kind.contains("List")) {
                Node::seq(entry.at, vec![text])
            } else {
                text
            }
        };
        (entry.key.clone(), findings.keep(value).unwrap_or_else(closest))
    };
    declared.iter().map(value).collect()
}

fn unknown(declared: &[Entry], at: Span, values: &BTreeMap<String, String>, findings: &Findings) {
    for name in values.keys().filter(|name| declared.iter().all(|entry| &entry.key != *name)) {
        findings.fault(Fault::at(
            at,
            match declared {
                [] => format!("there is no parameter {name}; the template declares none"),
                _ => {
                    let names: Vec<_> = declared.iter().map(|entry| entry.key.as_str()).collect();
                    format!("there is no parameter {name}; the template declares {}", names.join(", "))
                }
            },
        ));
    }
}

/// Who gives values to parameters, for sentences.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Giver {
    CommandLine,
    StackAround,
}

impl Giver {
    fn advice(self, name: &str) -> String {
        match self {
            Self::CommandLine => format!("with --parameter {name}=VALUE"),
            Self::StackAround => "in Parameters of the stack around it".to_owned(),
        }
    }
}

struct Declaration<'t> {
    name: &'t str,
    at: Span,
    node: &'t Node,
    giver: Giver,
}

impl Declaration<'_> {
    fn value(&self, given: Option<&String>) -> Outcome<Node> {
        let Self { name, at, node, giver } = *self;
        let advice = || giver.advice(name);
        let other = node.entries().iter().find(|entry| !KEYS.contains(&entry.key.as_str()));
        if let Some(other) = other {
            let message =
                format!("{} is not a key of a parameter; {name} takes {}", other.key, KEYS.join(", "));
            return Err(Fault::at(other.at, message));
        }
        let type_name = node
            .get("Type")
            .and_then(|entry| entry.value.as_text())
            .ok_or_else(|| Fault::at(at, format!("parameter {name} has no Type; most are of Type String")))?;
        let (text, at) = match (given, self.text("Default")?) {
            (Some(given), _) => (given.clone(), at),
            (None, Some((default, at))) => (default, at),
            (None, None) => {
                let message = format!("parameter {name} has no Default; give it a value {}", advice());
                return Err(Fault::at(at, message));
            }
        };
        if text.len() > VALUE_BYTES_MAX {
            let message = format!("parameter {name} has more than {VALUE_BYTES_MAX} bytes");
            return Err(Fault::at(at, message));
        }
        let kind =
            ParameterType::of(type_name, name, self.node.get("Type").map_or(at, |entry| entry.value.at))?;
        if kind.in_store && given.is_none() {
            let message = format!(
                "the value of parameter {name} lies in the account's parameter store; give it one {}",
                advice()
            );
            return Err(Fault::at(at, message));
        }
        if kind.list {
            let items: Vec<_> = text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
            items.iter().try_for_each(|item| self.check(item, kind.number, at))?;
            Ok(Node::seq(at, items.into_iter().map(|item| Node::made(at, item)).collect()))
        } else {
            self.check(&text, kind.number, at)?;
            Ok(Node::made(at, text))
        }
    }

    /// Checks one value, or one item of a list, against what the declaration allows.
    fn check(&self, text: &str, number: bool, at: Span) -> Outcome<()> {
        let name = self.name;
        let refused = |what: String| {
            // The template's author knows best how to say it.
            let own = self.node.get("ConstraintDescription").and_then(|entry| entry.value.as_text());
            let own = own.map(|own| format!(" ({own})")).unwrap_or_default();
            Err(Fault::at(at, format!("parameter {name} is {text:?}; it must {what}{own}")))
        };
        if number {
            let Ok(value) = text.trim().parse::<f64>() else {
                return Err(Fault::at(at, format!("parameter {name} is a Number; {text:?} is none")));
            };
            if let Some(min) = self.bound("MinValue")?.filter(|min| value < *min) {
                return refused(format!("be at least {min}"));
            }
            if let Some(max) = self.bound("MaxValue")?.filter(|max| value > *max) {
                return refused(format!("be at most {max}"));
            }
        }
        if let Some(allowed) = self.node.get("AllowedValues") {
            let Kind::Seq(items) = &allowed.value.kind else {
                let message = format!("AllowedValues of parameter {name} must be a list");
                return Err(Fault::at(allowed.value.at, message));
            };
            let items: Vec<_> = items.iter().filter_map(Node::as_text).collect();
            if !items.contains(&text) {
                return refused(format!("be one of {}", items.join(", ")));
            }
        }
        let characters = text.chars().count() as f64;
        if let Some(min) = self.bound("MinLength")?.filter(|min| characters < *min) {
            return refused(format!("have at least {min} characters"));
        }
        if let Some(max) = self.bound("MaxLength")?.filter(|max| characters > *max) {
            return refused(format!("have at most {max} characters"));
        }
        if let Some((pattern, at)) = self.text("AllowedPattern")? {
            // The service matches the whole value.
            let whole = Regex::new(&format!("^(?:{pattern})$")).map_err(|error| {
                let error = error.to_string();
                Fault::at(at, format!("AllowedPattern of parameter {name} cannot be used here: {error}"))
            })?;
            if !whole.is_match(text) {
                return refused(format!("match {pattern}"));
            }
        }
        Ok(())
    }

    fn text(&self, key: &str) -> Outcome<Option<(String, Span)>> {
        let Some(entry) = self.node.get(key) else { return Ok(None) };
        match entry.value.as_text() {
            Some(text) => Ok(Some((text.to_owned(), entry.value.at))),
            None => {
                let message =
                    format!("{key} of parameter {} is {}; it must be a text", self.name, entry.value.noun());
                Err(Fault::at(entry.value.at, message))
            }
        }
    }

    fn bound(&self, key: &str) -> Outcome<Option<f64>> {
        let Some((text, at)) = self.text(key)? else { return Ok(None) };
        match text.trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => {
                Err(Fault::at(at, format!("{key} of parameter {} is {text}; it must be a number", self.name)))
            }
        }
    }
}

/// What of a type matters here.
struct ParameterType {
    list: bool,
    number: bool,
    /// The default is the name of an entry of the parameter store.
    in_store: bool,
}

impl ParameterType {
    fn of(type_name: &str, parameter: &str, at: Span) -> Outcome<Self> {
        let in_store = type_name.starts_with("AWS::SSM::Parameter::Value<");
        let inner = type_name
            .strip_prefix("AWS::SSM::Parameter::Value<")
            .and_then(|rest| rest.strip_suffix('>'))
            .unwrap_or(type_name);
        let item = inner.strip_prefix("List<").and_then(|rest| rest.strip_suffix('>'));
        let list = item.is_some() || inner == "CommaDelimitedList";
        let item = item.unwrap_or(inner);
        let known = matches!(item, "String" | "Number" | "CommaDelimitedList") || item.starts_with("AWS::");
        if !known {
            let message = format!(
                "parameter {parameter} is of Type {type_name}; the types are String, Number, List<Number>, \
                 CommaDelimitedList and those that start with AWS::"
            );
            return Err(Fault::at(at, message));
        }
        Ok(Self { list, number: item == "Number", in_store })
    }
}
