use super::MappingInput;
use crate::velocity::{is_json_path, json_path};

/// Where the value of a request parameter comes from (G6).
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Source {
    /// `'as it is'`
    Text(Box<str>),
    /// `route.request.body`, perhaps with a path.
    Body(Box<str>),
    /// `route.request.header.name`: the last value.
    Header(Box<str>),
    /// `route.request.querystring.name`: the last value.
    Query(Box<str>),
    /// `route.request.multivalueheader.name`: every value, with commas between.
    Headers(Box<str>),
    /// `route.request.multivaluequerystring.name`: likewise.
    Queries(Box<str>),
    /// `stageVariables.name`
    StageVariable(Box<str>),
    /// `context.name.name`
    Context(Box<str>),
}

impl Source {
    /// Reads a source; none if it is not one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(inside) = text.strip_prefix('\'') {
            return inside.strip_suffix('\'').map(|text| Source::Text(text.into()));
        }
        if let Some(path) = text.strip_prefix("route.request.body") {
            let path = format!("${path}");
            return is_json_path(&path).then(|| Source::Body(path.into()));
        }
        let named = |prefix: &str| text.strip_prefix(prefix).filter(|name| !name.is_empty()).map(Box::from);
        named("route.request.header.")
            .map(Source::Header)
            .or_else(|| named("route.request.querystring.").map(Source::Query))
            .or_else(|| named("route.request.multivalueheader.").map(Source::Headers))
            .or_else(|| named("route.request.multivaluequerystring.").map(Source::Queries))
            .or_else(|| named("stageVariables.").map(Source::StageVariable))
            .or_else(|| named("context.").map(Source::Context))
    }

    /// Its value, if there is one.
    pub(super) fn value(&self, input: &MappingInput) -> Option<String> {
        let all = |pairs: &[(String, String)], name: &str, same: fn(&str, &str) -> bool| -> Vec<String> {
            pairs.iter().filter(|(key, _)| same(key, name)).map(|(_, value)| value.clone()).collect()
        };
        let joined = |values: Vec<String>| (!values.is_empty()).then(|| values.join(","));
        match self {
            Source::Text(text) => Some(text.to_string()),
            Source::Body(path) => json_path(&input.body, path),
            Source::Header(name) => all(&input.headers, name, str::eq_ignore_ascii_case).pop(),
            Source::Query(name) => all(&input.query, name, str::eq).pop(),
            Source::Headers(name) => joined(all(&input.headers, name, str::eq_ignore_ascii_case)),
            Source::Queries(name) => joined(all(&input.query, name, str::eq)),
            Source::StageVariable(name) => all(&input.stage.variables, name, str::eq).pop(),
            Source::Context(path) => match input.context.at(path)? {
                serde_json::Value::String(text) => Some(text.clone()),
                serde_json::Value::Null => None,
                other => Some(other.to_string()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        for good in [
            "'a b'",
            "''",
            "route.request.body",
            "route.request.body.a.b[0]",
            "route.request.body['a b']",
            "route.request.header.X",
            "route.request.multivalueheader.X",
            "route.request.querystring.a",
            "route.request.multivaluequerystring.a",
            "stageVariables.v",
            "context.identity.sourceIp",
        ] {
            assert!(Source::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "a",
            "'a",
            "'",
            "route.request.bodyguard",
            "route.request.path.a",
            "route.request.header.",
            "$context.a",
            "context.",
        ] {
            assert_eq!(Source::parse(bad), None, "{bad}");
        }
    }
}
