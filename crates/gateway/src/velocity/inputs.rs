use std::{borrow::Cow, cell::OnceCell, fmt, rc::Rc};

use super::{json_path::JsonPath, value::Value};

/// `$context`, looked up where a template asks for it.
pub trait Context: fmt::Debug {
    /// The value of one name.
    fn get(&self, name: &str) -> Option<&serde_json::Value>;

    /// All of it: an object.
    fn whole(&self) -> &serde_json::Value;
}

impl Context for serde_json::Value {
    fn get(&self, name: &str) -> Option<&serde_json::Value> {
        serde_json::Value::get(self, name)
    }

    fn whole(&self) -> &serde_json::Value {
        self
    }
}

/// What a template sees.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    /// The message or the back end's answer: `$input.body`, and what `$input.json` and `$input.path` look into.
    pub body: &'a str,
    /// Query parameters of the handshake, in order; none but on `$connect` (G7).
    pub query: &'a [(String, String)],
    /// Headers of the handshake, in order; none but on `$connect`.
    pub headers: &'a [(String, String)],
    /// `$context`
    pub context: &'a dyn Context,
    /// `$stageVariables`.
    pub stage_variables: &'a [(String, String)],
}

impl Default for Inputs<'_> {
    fn default() -> Self {
        Inputs { body: "", query: &[], headers: &[], context: &serde_json::Value::Null, stage_variables: &[] }
    }
}

/// `$input`, with what it reads at most once.
pub(super) struct Input<'a> {
    inputs: &'a Inputs<'a>,
    body: OnceCell<Option<Value>>,
}

impl<'a> Input<'a> {
    pub(super) fn new(inputs: &'a Inputs<'a>) -> Self {
        Input { inputs, body: OnceCell::new() }
    }

    pub(super) fn context(&self) -> Value {
        from_json(self.inputs.context.whole())
    }

    /// `$context.name`
    pub(super) fn of_context(&self, name: &str) -> Option<Value> {
        self.inputs.context.get(name).map(from_json)
    }

    pub(super) fn stage_variables(&self) -> Value {
        texts(self.inputs.stage_variables)
    }

    /// `$input.body`
    pub(super) fn body_text(&self) -> Value {
        Value::text(self.inputs.body)
    }

    /// `$input.path('$.a')`: nothing if there is nothing.
    pub(super) fn path(&self, path: &str) -> Value {
        self.find(path).unwrap_or_default()
    }

    /// `$input.json('$.a')`: JSON; an empty text in quotes if there is nothing.
    pub(super) fn json(&self, path: &str) -> Value {
        match self.find(path) {
            Some(found) => Value::text(found.to_json()),
            None => Value::text("\"\""),
        }
    }

    /// `$input.params()`
    pub(super) fn params(&self) -> Value {
        let Inputs { query, headers, .. } = self.inputs;
        Value::map([
            (Rc::from("path"), Value::map([])),
            (Rc::from("querystring"), texts(query)),
            (Rc::from("header"), texts(headers)),
        ])
    }

    /// `$input.params('a')`: of the path, the query and the headers the first that has it; an empty text if none has.
    pub(super) fn param(&self, name: &str) -> Value {
        let Inputs { query, headers, .. } = self.inputs;
        let of_query = query.iter().rfind(|(key, _)| key == name);
        let found = of_query.or_else(|| headers.iter().rfind(|(key, _)| key.eq_ignore_ascii_case(name)));
        Value::text(found.map_or("", |(_, value)| value.as_str()))
    }

    /// In a body that is not JSON there is nothing.
    fn find(&self, path: &str) -> Option<Value> {
        let body = self.body.get_or_init(|| Value::from_json(self.inputs.body));
        JsonPath::parse(path)?.find(body.as_ref()?)
    }
}

fn texts(pairs: &[(String, String)]) -> Value {
    Value::map(pairs.iter().map(|(name, value)| (Rc::from(name.as_str()), Value::text(value.as_str()))))
}

fn from_json(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(bool) => Value::Bool(*bool),
        serde_json::Value::Number(number) => {
            number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap_or_default()), Value::Int)
        }
        serde_json::Value::String(text) => Value::text(text.as_str()),
        serde_json::Value::Array(items) => Value::list(items.iter().map(from_json).collect()),
        serde_json::Value::Object(map) => {
            Value::map(map.iter().map(|(key, value)| (Rc::from(key.as_str()), from_json(value))))
        }
    }
}

/// The text of an argument: numbers may stand where a text is expected.
pub(super) fn argument(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Text(text) => Cow::Borrowed(text),
        Value::Null => Cow::Borrowed(""),
        other => Cow::Owned(other.to_string()),
    }
}
