//! Models: JSON Schemas that bodies are checked with before an integration is called (section 9).

use std::{collections::HashMap, error::Error, sync::Arc};

use boon::{CompileError, Compiler, Draft, ErrorKind, SchemaIndex, Schemas, UrlLoader, ValidationError};
use serde_json::Value;

use crate::{
    ConfigError, ModelConfig, RequestModels, invoke::Failure, model_effort, selection::SelectionExpression,
};

/// The key that others fall back to (M1).
const DEFAULT: &str = "$default";

/// Arrays and objects within each other in a checked body: ours, half of what a JSON parser takes. What a model says of
/// itself within itself is checked at every level, perhaps several times.
const BODY_DEPTH_MAX: usize = 64;

/// Characters of the reason why a body does not fit: ours; it ends in logs.
const REASON_CHARS_MAX: usize = 1_000;

/// Mistakes in one body that its reason names: ours. A body can fail at every one of its items.
const PROBLEMS_TOLD_MAX: usize = 10;

/// The models of one API, by name.
#[derive(Debug, Default)]
pub(crate) struct Models(HashMap<Box<str>, Arc<Model>>);

/// A model, ready to check bodies.
struct Model {
    name: Box<str>,
    /// Those of the whole API.
    schemas: Arc<Schemas>,
    /// Which of them it is, or why it is none.
    root: Result<SchemaIndex, String>,
    /// Where it is among the schemas that refer to each other, if any does.
    effort: Option<(Arc<model_effort::Schemas>, String)>,
}

/// What a route checks bodies with.
#[derive(Debug)]
pub(crate) struct BodyCheck {
    selection: SelectionExpression,
    by_key: Vec<(Box<str>, Arc<Model>)>,
}

impl Models {
    /// Compiles the models of an API. One that is no JSON Schema is an error, unless that is for messages to find out
    /// (`unchecked`, M2).
    pub(crate) fn compile(
        api_id: &str,
        configs: Vec<ModelConfig>,
        unchecked: bool,
    ) -> Result<Self, ConfigError> {
        let failed = |model: &str, problem: String| ConfigError::Model {
            api_id: api_id.to_owned(),
            model: model.to_owned(),
            problem,
        };
        // As models refer to each other: the form is documented for REST APIs.
        let location =
            |name: &str| format!("https://apigateway.amazonaws.com/restapis/{api_id}/models/{name}");
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V4);
        compiler.use_loader(Box::new(Nowhere));
        for ModelConfig { name, schema } in &configs {
            let added = compiler.add_resource(&location(name), as_draft_4(schema));
            added.map_err(|error| failed(name, one_line(&format!("{error:#}"))))?;
        }
        let mut schemas = Schemas::new();
        let mut roots = HashMap::with_capacity(configs.len());
        for ModelConfig { name, .. } in &configs {
            let root = match compiler.compile(&location(name), &mut schemas) {
                Ok(root) => Ok(root),
                Err(error) if unchecked => Err(reason(error)),
                Err(error) => return Err(failed(name, format!("is no JSON Schema: {}", reason(error)))),
            };
            if roots.insert(name.as_str(), root).is_some() {
                return Err(failed(name, "is there twice; rename one".to_owned()));
            }
        }
        let located = configs.iter().map(|config| (location(&config.name), as_draft_4(&config.schema)));
        let effort = model_effort::Schemas::of(located).map(Arc::new);
        let unknown =
            |name: &str| effort.as_ref().and_then(|effort| effort.unknown_reference(&location(name)));
        let mut checked = configs.iter().filter(|_| !unchecked);
        if let Some((name, reference)) =
            checked.find_map(|config| Some((&config.name, unknown(&config.name)?)))
        {
            let problem = format!(
                "has the reference \"{reference}\"; write #/definitions/name, or the address of another model"
            );
            return Err(failed(name, one_line(&problem)));
        }
        let schemas = Arc::new(schemas);
        let model = |(name, root): (&str, Result<SchemaIndex, String>)| {
            let schemas = Arc::clone(&schemas);
            let effort = effort.as_ref().map(|effort| (Arc::clone(effort), location(name)));
            (name.into(), Arc::new(Model { name: name.into(), schemas, root, effort }))
        };
        Ok(Models(roots.into_iter().map(model).collect()))
    }

    /// What a route checks bodies with; the error says what is wrong with the route.
    pub(crate) fn check(&self, config: RequestModels) -> Result<BodyCheck, String> {
        let RequestModels { selection: text, by_key } = config;
        let selection = SelectionExpression::parse(&text)
            .map_err(|problem| format!("has a model selection expression \"{text}\": {problem}"))?;
        let model = |(key, name): (String, String)| match self.0.get(name.as_str()) {
            Some(model) => Ok((key.into(), Arc::clone(model))),
            None => Err(format!("has a request model \"{name}\", which is not a model of its API")),
        };
        Ok(BodyCheck { selection, by_key: by_key.into_iter().map(model).collect::<Result<_, String>>()? })
    }
}

impl BodyCheck {
    /// Whether a body fits the model that it selects (M1, M3).
    ///
    /// # Errors
    /// [`Failure::BadBody`] with the reason; [`Failure::Mapping`] if the model is none.
    pub(crate) fn check(&self, body: &str) -> Result<(), Failure> {
        let of = |wanted: &str| self.by_key.iter().find(|(key, _)| &**key == wanted);
        let own = self.selection.evaluate(body).and_then(|key| of(&key));
        let Some((_, model)) = own.or_else(|| of(DEFAULT)) else {
            return Err(Failure::BadBody("no model is for this body".to_owned()));
        };
        model.check(body)
    }
}

impl Model {
    fn check(&self, body: &str) -> Result<(), Failure> {
        let root = self.root.as_ref().map_err(|problem| {
            Failure::Mapping(format!("model {} is no JSON Schema: {problem}", self.name))
        })?;
        let body: Value = serde_json::from_str(body)
            .map_err(|error| Failure::BadBody(format!("the body is not JSON: {error}")))?;
        if is_deeper(&body, BODY_DEPTH_MAX) {
            return Err(Failure::BadBody(format!("the body is nested deeper than {BODY_DEPTH_MAX} levels")));
        }
        if self.effort.as_ref().is_some_and(|(schemas, location)| schemas.is_too_much(location, &body)) {
            return Err(Failure::BadBody("the body takes too much work to be checked".to_owned()));
        }
        self.schemas.validate(&body, *root).map_err(|error| Failure::BadBody(causes(&error)))
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Nothing is fetched from anywhere.
struct Nowhere;

impl UrlLoader for Nowhere {
    fn load(&self, _url: &str) -> Result<Value, Box<dyn Error>> {
        Err("it is not a model of this API".into())
    }
}

/// The service reads every model as draft 4 (M2), whatever `$schema` says.
fn as_draft_4(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Value::Object(keys) = &mut schema {
        keys.remove("$schema");
    }
    schema
}

/// Whether arrays and objects stand within each other more than so many times.
fn is_deeper(value: &Value, levels: usize) -> bool {
    let below = |value: &Value| is_deeper(value, levels - 1);
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(below),
        Value::Object(map) => levels == 0 || map.values().any(below),
        _ => false,
    }
}

fn reason(error: CompileError) -> String {
    match error {
        CompileError::ValidationError { src, .. } => causes(&src),
        other => one_line(&format!("{other:#}")),
    }
}

/// What does not fit, without the lines that say only that something does not. Values of the body are left out: it ends in logs.
fn causes(error: &ValidationError<'_, '_>) -> String {
    let mut told = Vec::new();
    collect(error, &mut told);
    one_line(&told.join("; "))
}

fn collect(error: &ValidationError<'_, '_>, told: &mut Vec<String>) {
    if told.len() == PROBLEMS_TOLD_MAX {
        return;
    }
    let problem = match &error.kind {
        ErrorKind::Schema { .. } | ErrorKind::Group | ErrorKind::Reference { .. } => None,
        ErrorKind::Format { want, .. } => Some(format!("not valid {want}")),
        ErrorKind::Pattern { want, .. } => Some(format!("does not match pattern '{want}'")),
        ErrorKind::Minimum { want, .. } => Some(format!("must be >={want}")),
        ErrorKind::Maximum { want, .. } => Some(format!("must be <={want}")),
        ErrorKind::ExclusiveMinimum { want, .. } => Some(format!("must be >{want}")),
        ErrorKind::ExclusiveMaximum { want, .. } => Some(format!("must be <{want}")),
        ErrorKind::MultipleOf { want, .. } => Some(format!("not a multiple of {want}")),
        other => Some(other.to_string()),
    };
    told.extend(problem.map(|problem| format!("at '{}': {problem}", error.instance_location)));
    error.causes.iter().for_each(|cause| collect(cause, told));
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(REASON_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn models(schemas: &[(&str, Value)]) -> Result<Models, ConfigError> {
        let config =
            |(name, schema): &(&str, Value)| ModelConfig { name: (*name).to_owned(), schema: schema.clone() };
        Models::compile("a1", schemas.iter().map(config).collect(), false)
    }

    fn check(schemas: &[(&str, Value)], selection: &str, keys: &[(&str, &str)]) -> BodyCheck {
        let by_key = keys.iter().map(|(key, name)| ((*key).to_owned(), (*name).to_owned())).collect();
        models(schemas).unwrap().check(RequestModels { selection: selection.to_owned(), by_key }).unwrap()
    }

    #[track_caller]
    fn fits(check: &BodyCheck, body: &str, expected: Option<&str>) {
        match (check.check(body), expected) {
            (Ok(()), None) => {}
            (Err(Failure::BadBody(reason)), Some(part)) if reason.contains(part) => {}
            (outcome, _) => panic!("{body}: {outcome:?}"),
        }
    }

    #[test]
    fn bodies_are_checked_with_the_model_that_they_select() {
        let schemas = [
            (
                "Join",
                json!({"type": "object", "required": ["room"], "properties": {"room": {"type": "string"}}}),
            ),
            ("Any", json!({"$schema": "http://json-schema.org/draft-04/schema#", "type": "object"})),
        ];
        let both = check(&schemas, "$request.body.action", &[("join", "Join"), ("$default", "Any")]);
        fits(&both, r#"{"action":"join","room":"a"}"#, None);
        fits(&both, r#"{"action":"join","room":1}"#, Some("/room"));
        fits(&both, r#"{"action":"join"}"#, Some("'room'"));
        fits(&both, r#"{"action":"leave"}"#, None);
        fits(&both, "[]", Some("object"));
        fits(&both, "hello", Some("not JSON"));
        fits(&both, "", Some("not JSON"));
        // M1: no key, no default.
        let one = check(&schemas, "${request.body.action}", &[("join", "Join")]);
        fits(&one, r#"{"action":"leave"}"#, Some("no model"));
        fits(&one, "hello", Some("no model"));
    }

    /// M2: `exclusiveMaximum` is a flag in draft 4, and a number later.
    #[test]
    fn models_are_read_as_draft_4() {
        let limited = json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "number", "maximum": 5,
                             "exclusiveMaximum": true});
        let below_five = check(&[("N", limited)], r"\$default", &[("$default", "N")]);
        fits(&below_five, "4.9", None);
        fits(&below_five, "5", Some("at"));
    }

    #[test]
    fn models_refer_to_models_and_to_nothing_else() {
        let other = json!({"type": "object", "properties": {
            "who": {"$ref": "https://apigateway.amazonaws.com/restapis/a1/models/Name"}}});
        let name = json!({"type": "string", "maxLength": 3});
        let both = check(&[("Name", name), ("Other", other)], "x", &[("$default", "Other")]);
        fits(&both, r#"{"who":"ann"}"#, None);
        fits(&both, r#"{"who":"anna"}"#, Some("/who"));
        for far in ["http://127.0.0.1:9/schema.json", "file:///etc/passwd", "#/definitions/none", "Missing"] {
            let error = models(&[("M", json!({"properties": {"a": {"$ref": far}}}))]).unwrap_err();
            assert!(error.to_string().starts_with("API a1: model M is no JSON Schema: "), "{error}");
        }
    }

    #[test]
    fn what_is_no_schema_is_named() {
        for (schema, expected) in [
            (json!({"type": "objekt"}), "at '/type'"),
            (json!({"required": "room"}), "at '/required'"),
            (json!({"properties": {"a": {"pattern": "("}}}), "pattern"),
            (json!(["object"]), "want object"),
        ] {
            let error = models(&[("M", schema.clone())]).unwrap_err().to_string();
            assert!(error.contains(expected), "{schema}: {error}");
            // M2: left to the messages.
            let config = ModelConfig { name: "M".to_owned(), schema };
            let unchecked = Models::compile("a1", vec![config], true).unwrap();
            let by_key = vec![("$default".to_owned(), "M".to_owned())];
            let check = unchecked.check(RequestModels { selection: "x".to_owned(), by_key }).unwrap();
            assert!(matches!(check.check("{}"), Err(Failure::Mapping(_))));
        }
    }

    #[test]
    fn values_are_not_told() {
        for schema in [
            json!({"type": "number"}),
            json!({"pattern": "^a"}),
            json!({"format": "ipv4"}),
            json!({"maxLength": 3}),
            json!({"enum": ["a", "b"]}),
            json!({"not": {"type": "string"}}),
            json!({"anyOf": [{"type": "number"}, {"pattern": "^b"}]}),
        ] {
            let check = check(&[("M", json!({"properties": {"x": schema}}))], "x", &[("$default", "M")]);
            let Err(Failure::BadBody(reason)) = check.check(r#"{"x": "secret"}"#) else { panic!("{schema}") };
            assert!(reason.starts_with("at '/x': ") && !reason.contains("secret"), "{reason}");
        }
        let bounds = json!({"items": {"maximum": 5, "multipleOf": 2}});
        let check = check(&[("M", bounds)], "x", &[("$default", "M")]);
        let Err(Failure::BadBody(reason)) = check.check("[4711]") else { panic!("4711 is more than 5") };
        assert!(reason.contains("must be <=5") && !reason.contains("4711"), "{reason}");
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let tree = json!({"type": "array", "items": {"$ref": "#"}});
        let check = check(&[("Tree", tree)], "x", &[("$default", "Tree")]);
        fits(&check, &nested(BODY_DEPTH_MAX), None);
        fits(&check, &nested(BODY_DEPTH_MAX + 1), Some("nested deeper"));
        fits(&check, &nested(10_000), Some("not JSON"));
    }

    /// A body of full size that fails everywhere has a short reason all the same.
    #[test]
    fn reasons_are_bounded() {
        let check = check(&[("Texts", json!({"items": {"type": "string"}}))], "x", &[("$default", "Texts")]);
        let body = format!("[{}1]", "1,".repeat(65_000));
        let Err(Failure::BadBody(reason)) = check.check(&body) else { panic!("numbers are no texts") };
        assert!(reason.starts_with("at '/0': want string, but got number; at '/1'"), "{reason}");
        assert_eq!(reason.matches("; ").count() + 1, PROBLEMS_TOLD_MAX);
    }

    /// A hundred bytes that would take longer than anybody lives.
    #[test]
    fn effort_is_bounded() {
        let twice = json!({"items": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}});
        let check = check(&[("Twice", twice)], "x", &[("$default", "Twice")]);
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        fits(&check, &nested(10), None);
        fits(&check, &nested(BODY_DEPTH_MAX), Some("too much work"));
    }

    /// A model that is itself checks nothing, and ends.
    #[test]
    fn a_model_within_itself_ends() {
        let check = check(&[("Loop", json!({"$ref": "#"}))], "x", &[("$default", "Loop")]);
        assert!(matches!(check.check("{}"), Err(Failure::BadBody(_))));
    }
}
