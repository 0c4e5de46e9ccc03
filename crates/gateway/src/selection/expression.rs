use std::borrow::Cow;

use super::json::{self, Step};

/// A route selection expression (R1): literal text and paths into the message's body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SelectionExpression {
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Literal(String),
    /// A path into the message.
    Body(Vec<Step>),
    /// `integration.response.statuscode`
    Status,
    /// `integration.response.header.name`
    Header(Box<str>),
    /// A path into a back end's answer.
    Answer(Vec<Step>),
}

/// What an expression may look at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// The message: routes are selected by it (R1).
    Message,
    /// Whatever template selection may look at (G4).
    Template,
}

/// A back end's answer, as expressions see it.
struct Answer<'a> {
    body: &'a str,
    status: u16,
    headers: &'a [(String, String)],
}

impl SelectionExpression {
    /// Reads an expression: variables as `$request.body.path` or `${request.body.path}`, `\$` for a dollar sign (R2).
    ///
    /// # Errors
    /// A sentence that says what is wrong and what is expected.
    pub(crate) fn parse(expression: &str) -> Result<Self, String> {
        Self::parse_in(expression, Scope::Message)
    }

    /// Reads the expression that selects a template (G4): it may also look at a back end's answer.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub(crate) fn parse_template(expression: &str) -> Result<Self, String> {
        Self::parse_in(expression, Scope::Template)
    }

    fn parse_in(expression: &str, scope: Scope) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = expression;
        while let Some(at) = rest.find(['$', '\\']) {
            literal.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix('\\') {
                // Before anything else than a dollar sign a backslash stands for itself.
                let escaped = after.strip_prefix('$');
                literal.push(if escaped.is_some() { '$' } else { '\\' });
                rest = escaped.unwrap_or(after);
                continue;
            }
            let (variable, after) = split_variable(&rest[1..])?;
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(parse_variable(variable, scope)?);
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        if parts.is_empty() {
            return Err("it is empty; write $request.body.action, for example".to_owned());
        }
        Ok(SelectionExpression { parts })
    }

    /// The key that the expression yields for this message; none if the message is not JSON and the expression looks
    /// into it (R4, R6). A path that leads nowhere yields empty text (R3).
    pub(crate) fn evaluate<'b>(&'b self, body: &'b str) -> Option<Cow<'b, str>> {
        self.evaluate_with(body, None)
    }

    /// The key for a back end's answer.
    pub(crate) fn evaluate_response<'b>(
        &'b self,
        body: &'b str,
        status: u16,
        headers: &'b [(String, String)],
    ) -> Option<Cow<'b, str>> {
        self.evaluate_with("", Some(&Answer { body, status, headers }))
            .map(|key| Cow::Owned(key.into_owned()))
    }

    fn evaluate_with<'b>(&'b self, body: &'b str, answer: Option<&Answer<'b>>) -> Option<Cow<'b, str>> {
        if let [part] = self.parts.as_slice() {
            return part.evaluate(body, answer);
        }
        let mut key = String::new();
        for part in &self.parts {
            key.push_str(&part.evaluate(body, answer)?);
        }
        Some(Cow::Owned(key))
    }
}

impl Part {
    fn evaluate<'b>(&'b self, body: &'b str, answer: Option<&Answer<'b>>) -> Option<Cow<'b, str>> {
        let in_json = |text: &'b str, path: &[Step]| {
            Some(json::lookup(text, path).ok()?.map_or(Cow::Borrowed(""), json::to_text))
        };
        match self {
            Part::Literal(text) => Some(Cow::Borrowed(text)),
            Part::Body(path) => in_json(body, path),
            Part::Answer(path) => in_json(answer?.body, path),
            Part::Status => Some(Cow::Owned(answer?.status.to_string())),
            Part::Header(name) => {
                let mut headers = answer?.headers.iter();
                let found = headers.find(|(key, _)| key.eq_ignore_ascii_case(name));
                Some(Cow::Borrowed(found.map_or("", |(_, value)| value)))
            }
        }
    }
}

/// Splits what follows a dollar sign into the variable and the rest.
fn split_variable(text: &str) -> Result<(&str, &str), String> {
    if let Some(braced) = text.strip_prefix('{') {
        return braced
            .split_once('}')
            .ok_or_else(|| "a brace is not closed; write ${request.body.action}".to_owned());
    }
    let mut end = 0;
    let mut bracket = false;
    for (at, character) in text.char_indices() {
        match character {
            '[' => bracket = true,
            ']' => bracket = false,
            _ if bracket => {}
            // A hyphen belongs to the name unless something else follows: only braces can tell otherwise.
            '-' if text[at + 1..].starts_with(|next: char| next.is_alphanumeric()) => {}
            _ if character.is_alphanumeric() || matches!(character, '_' | '.') => {}
            _ => break,
        }
        end = at + character.len_utf8();
    }
    Ok(text.split_at(end))
}

fn parse_variable(variable: &str, scope: Scope) -> Result<Part, String> {
    if let Some(path) = variable.strip_prefix("request.body") {
        return parse_path(variable, path).map(Part::Body);
    }
    if scope == Scope::Message {
        return Err(format!(
            "\"${variable}\" is not known; a route is selected by $request.body.…, and a literal dollar sign is \\$"
        ));
    }
    if variable == "integration.response.statuscode" {
        return Ok(Part::Status);
    }
    for prefix in ["integration.response.header.", "integration.response.multivalueheader."] {
        if let Some(name) = variable.strip_prefix(prefix).filter(|name| !name.is_empty()) {
            return Ok(Part::Header(name.into()));
        }
    }
    match variable.strip_prefix("integration.response.body") {
        Some(path) => parse_path(variable, path).map(Part::Answer),
        None => Err(format!(
            "\"${variable}\" is not known; a template is selected by $request.body.… or $integration.response.…, and a literal \
             dollar sign is \\$"
        )),
    }
}

fn parse_path(variable: &str, mut rest: &str) -> Result<Vec<Step>, String> {
    let unreadable = |rest: &str| format!("\"{rest}\" in \"${variable}\" is not .name, ['name'] or [0]");
    let mut path = Vec::new();
    while !rest.is_empty() {
        if let Some(name) = rest.strip_prefix('.') {
            let (name, after) = name.split_at(name.find(['.', '[']).unwrap_or(name.len()));
            if name.is_empty() {
                return Err(unreadable(rest));
            }
            path.push(Step::Key(name.into()));
            rest = after;
            continue;
        }
        let bracket = rest.strip_prefix('[').and_then(|inside| inside.split_once(']'));
        let (inside, after) = bracket.ok_or_else(|| unreadable(rest))?;
        let quoted = ['\'', '"'].iter().find_map(|&q| inside.strip_prefix(q)?.strip_suffix(q));
        let step = match quoted {
            Some(name) => Step::Key(name.into()),
            None => Step::Index(inside.parse().map_err(|_| unreadable(rest))?),
        };
        path.push(step);
        rest = after;
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The only place that evaluates; `None` stands for `$default` by failure.
    #[track_caller]
    fn check(expression: &str, body: &str, expected: Option<&str>) {
        let expression = SelectionExpression::parse(expression).unwrap();
        assert_eq!(expression.evaluate(body).as_deref(), expected, "{expression:?} on {body}");
    }

    #[test]
    fn one_variable() {
        for form in ["$request.body.action", "${request.body.action}", "$request.body['action']"] {
            check(form, r#"{"action":"join"}"#, Some("join"));
            check(form, r#"{"data":1, "action" : "join" }"#, Some("join"));
            check(form, r#"{"action":"Join"}"#, Some("Join"));
            check(form, r#"{"action":"a\tb"}"#, Some("a\tb"));
            check(form, r#"{"action":7}"#, Some("7"));
            check(form, r#"{"action":true}"#, Some("true"));
            check(form, r#"{"action":null}"#, Some(""));
            check(form, r#"{"action":["item1","item2"]}"#, Some("[item1, item2]"));
            check(form, r#"{"action":{"a":1}}"#, Some(r#"{"a":1}"#));
            check(form, r#"{"other":"join"}"#, Some(""));
            check(form, r#"{"action":"sendMessage", body:"hello"}"#, Some("sendMessage"));
            check(form, r#"{action: "test", data: "test"}"#, Some("test"));
            check(form, r#"["action"]"#, Some(""));
            check(form, r#""action""#, Some(""));
            check(form, "42", Some(""));
            check(form, "hello", None);
            check(form, "", None);
            check(form, r#"{"action":"join""#, None);
            check(form, r#"{"action":"join"} trailing"#, None);
        }
    }

    #[test]
    fn nested_paths() {
        let body = r#"{"message":{"kind":["x",{"name":"deep"}],"a.b":"dotted","is-on":"hyphen"}}"#;
        check("$request.body.message.kind[1].name", body, Some("deep"));
        check("${request.body.message.kind[0]}", body, Some("x"));
        check("$request.body.message.kind[2]", body, Some(""));
        check("$request.body.message['a.b']", body, Some("dotted"));
        check(r#"${request.body["message"]["a.b"]}"#, body, Some("dotted"));
        check("$request.body.message.is-on", body, Some("hyphen"));
        check("$request.body.message.kind.name", body, Some(""));
        check("$request.body", r#""ping""#, Some("ping"));
    }

    #[test]
    fn several_variables_and_literals() {
        let body = r#"{"service":"chat","action":"join"}"#;
        check("${request.body.service}/${request.body.action}", body, Some("chat/join"));
        check("$request.body.service/$request.body.action", body, Some("chat/join"));
        check("${request.body.action}-${request.body.invalidPath}", body, Some("join-"));
        check("v1-${request.body.action}!", body, Some("v1-join!"));
        check("$request.body.action-", body, Some("join-"));
        check("${request.body.action}-x", "no json", None);
    }

    #[test]
    fn results_are_not_evaluated_again() {
        check("$request.body.action", r#"{"action":"$request.body.b","b":"c"}"#, Some("$request.body.b"));
    }

    #[test]
    fn literals_alone_never_look_at_the_message() {
        check("action", "no json", Some("action"));
        check(r"\$default", "no json", Some("$default"));
        check(r"a\b", "{}", Some(r"a\b"));
    }

    #[test]
    fn what_cannot_be_honoured_is_refused() {
        for (expression, expected) in [
            ("", "empty"),
            ("$default", r"\$"),
            ("$request.header.x", "not known"),
            ("${request.body.action", "not closed"),
            ("$request.body.", "not .name"),
            ("$request.body.a[*]", "not .name"),
            ("$request.body.a[", "not .name"),
            ("${request.bodyaction}", "not .name"),
            ("$", "not known"),
        ] {
            let error = SelectionExpression::parse(expression).unwrap_err();
            assert!(error.contains(expected), "{expression}: {error}");
        }
    }
}
