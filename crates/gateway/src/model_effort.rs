//! How much work it is to check a body with a model that refers to itself: the validator asks again for each way that leads to the
//! same part of both, so that two ways a level are 2^64 questions for some hundred bytes of a client.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// Schemas of an API, by the address that others refer to them by.
#[derive(Debug)]
pub(crate) struct Schemas {
    by_location: HashMap<Box<str>, Value>,
}

/// Questions that may be asked about one body: ours, several for each part of the largest message, and some tenths of a second.
const QUESTIONS_MAX: u64 = 500_000;

impl Schemas {
    /// None if no schema refers to any: then each part of a body is asked about once for each part of its schema.
    pub(crate) fn of(schemas: impl Iterator<Item = (String, Value)>) -> Option<Self> {
        let by_location: HashMap<Box<str>, Value> =
            schemas.map(|(location, schema)| (location.into(), schema)).collect();
        by_location.values().any(refers).then_some(Schemas { by_location })
    }

    /// Whether a body takes more questions to the schema at `location` than [`QUESTIONS_MAX`].
    pub(crate) fn is_too_much(&self, location: &str, body: &Value) -> bool {
        let Some(root) = self.by_location.get(location) else { return false };
        let mut count = Count { schemas: self, document: root, known: HashMap::new() };
        count.questions(root, body) > QUESTIONS_MAX
    }
}

impl Schemas {
    /// A reference of the schema at `location` whose effort cannot be told: one by an `id`, or written in an unusual way.
    pub(crate) fn unknown_reference(&self, location: &str) -> Option<&str> {
        let document = self.by_location.get(location)?;
        self.unknown_below(document, document)
    }

    fn unknown_below<'s>(&'s self, document: &'s Value, schema: &'s Value) -> Option<&'s str> {
        match schema {
            Value::Object(keys) => {
                let own = keys.get("$ref").and_then(Value::as_str);
                let unknown = own.filter(|reference| self.resolve(document, reference).is_none());
                unknown.or_else(|| keys.values().find_map(|below| self.unknown_below(document, below)))
            }
            Value::Array(items) => items.iter().find_map(|below| self.unknown_below(document, below)),
            _ => None,
        }
    }

    /// The schema that a reference within `document` leads to, and the document that it is in.
    fn resolve<'s>(&'s self, document: &'s Value, reference: &str) -> Option<(&'s Value, &'s Value)> {
        let reference = percent_decode_str(reference.trim()).decode_utf8().ok()?;
        let (location, pointer) = reference.split_once('#').unwrap_or((&reference, ""));
        let document = if location.is_empty() {
            document
        } else {
            // A name alone is relative to the others.
            let is_it = |known: &str| known == location || known.rsplit('/').next() == Some(location);
            self.by_location.iter().find(|(known, _)| is_it(known))?.1
        };
        Some((document, document.pointer(pointer)?))
    }
}

fn refers(schema: &Value) -> bool {
    match schema {
        Value::Object(keys) => keys.contains_key("$ref") || keys.values().any(refers),
        Value::Array(items) => items.iter().any(refers),
        _ => false,
    }
}

/// Counts without asking: each pair of a schema and a part of the body once.
struct Count<'s> {
    schemas: &'s Schemas,
    /// What a reference without an address is within.
    document: &'s Value,
    /// By the places of both in memory.
    known: HashMap<(*const Value, *const Value), u64>,
}

impl<'s> Count<'s> {
    fn questions(&mut self, schema: &'s Value, body: &Value) -> u64 {
        let Value::Object(keys) = schema else { return 1 };
        let pair = (std::ptr::from_ref(schema), std::ptr::from_ref(body));
        if let Some(&known) = self.known.get(&pair) {
            return known;
        }
        // More pairs than questions are allowed are too much as well.
        if self.known.len() as u64 > QUESTIONS_MAX {
            return u64::MAX;
        }
        // Whoever comes back here about the same part is in a circle, which the validator refuses.
        self.known.insert(pair, 0);
        let total = self.in_place(keys, body).saturating_add(self.below(keys, body)).saturating_add(1);
        self.known.insert(pair, total);
        total
    }

    /// Schemas that apply to the same part of the body.
    fn in_place(&mut self, keys: &'s Map<String, Value>, body: &Value) -> u64 {
        if let Some(Value::String(reference)) = keys.get("$ref") {
            return self.referred(reference, body);
        }
        let lists =
            ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| keys.get(key)?.as_array()).flatten();
        let dependencies =
            keys.get("dependencies").and_then(Value::as_object).into_iter().flat_map(Map::values);
        let schemas: Vec<&Value> = lists.chain(keys.get("not")).chain(dependencies).collect();
        schemas.into_iter().fold(0, |total, schema| total.saturating_add(self.questions(schema, body)))
    }

    /// Schemas that apply to members or items: all that may, since which do takes patterns.
    fn below(&mut self, keys: &'s Map<String, Value>, body: &Value) -> u64 {
        let mut total: u64 = 0;
        match body {
            Value::Object(members) => {
                let patterns = keys.get("patternProperties").and_then(Value::as_object);
                let others: Vec<&Value> = patterns
                    .into_iter()
                    .flat_map(Map::values)
                    .chain(keys.get("additionalProperties"))
                    .collect();
                for (name, member) in members {
                    let own = keys.get("properties").and_then(|properties| properties.get(name));
                    for schema in own.into_iter().chain(others.iter().copied()) {
                        total = total.saturating_add(self.questions(schema, member));
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let schema = match keys.get("items") {
                        Some(Value::Array(schemas)) => {
                            schemas.get(index).or_else(|| keys.get("additionalItems"))
                        }
                        schema => schema,
                    };
                    total = total.saturating_add(schema.map_or(0, |schema| self.questions(schema, item)));
                }
            }
            _ => {}
        }
        total
    }

    fn referred(&mut self, reference: &str, body: &Value) -> u64 {
        let Some((document, schema)) = self.schemas.resolve(self.document, reference) else {
            return u64::MAX;
        };
        let outer = std::mem::replace(&mut self.document, document);
        let total = self.questions(schema, body);
        self.document = outer;
        total
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nested(depth: usize) -> Value {
        (0..depth).fold(json!([]), |inner, _| json!([inner]))
    }

    fn is_too_much(schema: Value, body: &Value) -> bool {
        Schemas::of(std::iter::once(("a/M".to_owned(), schema))).unwrap().is_too_much("a/M", body)
    }

    #[test]
    fn two_ways_a_level_are_too_much() {
        let twice = json!({"items": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}});
        assert!(!is_too_much(twice.clone(), &nested(10)));
        assert!(is_too_much(twice, &nested(60)));
        let by_name = json!({"definitions": {"d": {"items": {"anyOf": [{"$ref": "a/M"}, {"$ref": "#/definitions/d"}]}}},
                             "items": {"oneOf": [{"$ref": "#/definitions/d"}, {"$ref": "M"}]}});
        assert!(is_too_much(by_name, &nested(60)));
    }

    #[test]
    fn one_way_a_level_is_not() {
        let once = json!({"type": "array", "items": {"$ref": "#"}});
        assert!(!is_too_much(once, &nested(60)));
        // Two ways, but to different parts.
        let tree = json!({"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}});
        let body = (0..12).fold(json!({}), |inner, _| json!({"left": inner, "right": inner}));
        assert!(!is_too_much(tree, &body));
        let wide = json!({"items": {"$ref": "#/definitions/d"}, "definitions": {"d": {"type": "number"}}});
        assert!(!is_too_much(wide, &json!(vec![1; 30_000])));
    }

    #[test]
    fn without_references_nothing_is_counted() {
        assert!(
            Schemas::of(std::iter::once(("a".to_owned(), json!({"items": {"type": "string"}})))).is_none()
        );
    }

    #[test]
    fn every_reference_is_known_or_named() {
        for (reference, is_known) in [
            ("#", true),
            (" # ", true),
            ("a/M#", true),
            ("#/definitions/d", true),
            ("#/%64efinitions/d", true),
            ("#d", false),
            ("other", false),
            ("./M", false),
        ] {
            let schema = json!({"definitions": {"d": {"id": "#d"}}, "items": [{"$ref": reference}]});
            let schemas = Schemas::of(std::iter::once(("a/M".to_owned(), schema))).unwrap();
            assert_eq!(schemas.unknown_reference("a/M"), (!is_known).then_some(reference));
        }
    }

    #[test]
    fn circles_end() {
        assert!(!is_too_much(json!({"$ref": "#"}), &json!({})));
    }
}
