//! From a message to what a back end takes, and from its answer to what the client gets.

use bytes::Bytes;
use dunlin_events::ProxyResult;
use regex::Regex;
use serde_json::Value;

use super::MappingInput;
use crate::{
    content::{self, ContentHandling},
    invoke::Failure,
    selection::SelectionExpression,
    velocity::Template,
};

/// The key that everything falls back to.
const DEFAULT: &str = "$default";

/// A compiled pattern of a response key, in bytes: ours.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// What a back end gets of a message, and a client of its answer.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Mapping {
    /// `RequestTemplates` and their selection.
    pub request: Templates,
    /// `PassthroughBehavior`.
    pub passthrough: Passthrough,
    /// In any order.
    pub responses: Vec<IntegrationResponse>,
}

/// Templates by key, and the expression that yields the key (G4).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Templates {
    /// `TemplateSelectionExpression`; without one the key is `$default`.
    pub selection: Option<String>,
    /// Keys and templates.
    pub by_key: Vec<(String, String)>,
}

/// What becomes of a message that no request template is for (G3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Passthrough {
    /// It goes as it is.
    #[default]
    WhenNoMatch,
    /// It goes as it is if there are no templates at all.
    WhenNoTemplates,
    /// It does not go.
    Never,
}

/// One way to answer.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct IntegrationResponse {
    /// `$default`, or `/a pattern/` for the status or, of a function, the error message (G5).
    pub key: String,
    /// `ResponseTemplates` and their selection; without any the answer goes as it is.
    pub templates: Templates,
    /// `ContentHandlingStrategy`: what the answer is turned into before its template sees it (R11).
    pub content: Option<ContentHandling>,
}

impl IntegrationResponse {
    /// A response that passes the answer on as it is.
    pub fn new(key: impl Into<String>) -> Self {
        IntegrationResponse { key: key.into(), ..IntegrationResponse::default() }
    }
}

/// What a back end answered.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    /// What the keys of integration responses are matched with.
    pub(crate) selected_by: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Answered {
    /// A function's answer, whatever JSON it is.
    pub(crate) fn function(answer: Bytes) -> Self {
        Answered { status: 200, selected_by: String::new(), headers: Vec::new(), body: answer }
    }

    /// A function that threw.
    pub(crate) fn function_error(message: String) -> Self {
        let body = serde_json::json!({ "errorMessage": message }).to_string();
        Answered { status: 500, selected_by: message, headers: Vec::new(), body: body.into() }
    }

    /// As a proxy integration passes it on.
    pub(crate) fn into_result(self) -> Result<ProxyResult, Failure> {
        let body = for_client(None, &self.body)?;
        Ok(ProxyResult { body: Some(body), ..ProxyResult::status(self.status) })
    }
}

/// [`Mapping`], checked.
#[derive(Debug)]
pub(crate) struct CompiledMapping {
    request: CompiledTemplates,
    passthrough: Passthrough,
    responses: Vec<Response>,
    /// Whether somebody waits for what a response makes.
    must_answer: bool,
    /// What a MOCK integration always answers, if its templates look at nothing.
    constant: Option<ProxyResult>,
}

#[derive(Debug)]
struct CompiledTemplates {
    selection: Option<SelectionExpression>,
    by_key: Vec<(String, Template)>,
}

/// [`IntegrationResponse`], checked.
#[derive(Debug)]
struct Response {
    key: Key,
    templates: CompiledTemplates,
    content: Option<ContentHandling>,
}

#[derive(Debug)]
enum Key {
    Default,
    Pattern(Regex),
}

impl CompiledMapping {
    /// Checks a configuration; the error says what is wrong with the route that has it.
    pub(crate) fn new(config: Mapping, must_answer: bool) -> Result<Self, String> {
        let Mapping { request, passthrough, responses } = config;
        let request = CompiledTemplates::new(request, "request")?;
        let response = |IntegrationResponse { key, templates, content }| {
            let templates = CompiledTemplates::new(templates, "response")?;
            Ok(Response { key: Key::parse(&key)?, templates, content })
        };
        let responses = responses.into_iter().map(response).collect::<Result<Vec<_>, String>>()?;
        let mut mapping = CompiledMapping { request, passthrough, responses, must_answer, constant: None };
        mapping.constant = mapping.find_constant();
        Ok(mapping)
    }

    /// See the field.
    pub(crate) fn constant(&self) -> Option<ProxyResult> {
        self.constant.clone()
    }

    fn find_constant(&self) -> Option<ProxyResult> {
        let answer = self.request.constant()?;
        let status = mock_status(answer)?;
        let Response { key, templates, .. } = self.select(&status.to_string())?;
        let body = templates.constant()?.to_owned();
        Some(ProxyResult { body: Some(body), ..ProxyResult::status(key.status(status)) })
    }

    /// What the back end gets. What the template puts into `$context` stays there for the response's.
    pub(crate) fn request(&self, input: &mut MappingInput) -> Result<String, Failure> {
        match self.request.select(|selection| selection.evaluate(&input.body).map(Into::into)) {
            Some(template) => {
                let rendered = template.render_keeping_context(&input.inputs(&input.body));
                let (text, kept) = rendered.map_err(|error| Failure::Mapping(error.to_string()))?;
                input.context.keep(kept);
                Ok(text)
            }
            None => match self.passthrough {
                Passthrough::WhenNoMatch => Ok(input.body.clone()),
                Passthrough::WhenNoTemplates if self.request.by_key.is_empty() => Ok(input.body.clone()),
                Passthrough::WhenNoTemplates | Passthrough::Never => Err(Failure::NoTemplate),
            },
        }
    }

    /// What the client gets.
    pub(crate) fn response(&self, answered: Answered, input: &MappingInput) -> Result<ProxyResult, Failure> {
        let Answered { status, selected_by, headers, body } = answered;
        let Some(Response { key, templates, content }) = self.select(&selected_by) else {
            // G5, H11.
            return if self.must_answer { Err(Failure::NoResponse) } else { Ok(ProxyResult::status(200)) };
        };
        let body = for_client(*content, &body)?;
        let status = key.status(status);
        let template = templates
            .select(|selection| selection.evaluate_response(&body, status, &headers).map(Into::into));
        let body = match template {
            Some(template) => {
                template.render(&input.inputs(&body)).map_err(|error| Failure::Mapping(error.to_string()))?
            }
            None => body,
        };
        Ok(ProxyResult { body: Some(body), ..ProxyResult::status(status) })
    }

    /// The response whose pattern is the whole of this text, else the default one.
    fn select(&self, text: &str) -> Option<&Response> {
        let matches = |response: &&Response| match &response.key {
            Key::Pattern(pattern) => pattern.is_match(text),
            Key::Default => false,
        };
        let default = || self.responses.iter().find(|response| matches!(response.key, Key::Default));
        self.responses.iter().find(matches).or_else(default)
    }
}

/// See [`content::for_client`].
fn for_client(handling: Option<ContentHandling>, answer: &[u8]) -> Result<String, Failure> {
    content::for_client(handling, answer)
        .map_err(|problem| Failure::Mapping(format!("the answer: {problem}")))
}

impl CompiledTemplates {
    fn new(config: Templates, way: &str) -> Result<Self, String> {
        let Templates { selection, by_key } = config;
        let selection = selection.map(|text| {
            SelectionExpression::parse_template(&text)
                .map_err(|problem| format!("has a {way} template selection expression \"{text}\": {problem}"))
        });
        let template = |(key, source): (String, String)| match Template::parse(&source) {
            Ok(template) => Ok((key, template)),
            Err(error) => {
                let (line, column) = error.place(&source);
                Err(format!(
                    "has a {way} template \"{key}\" with a mistake in line {line}, column {column}: {error}"
                ))
            }
        };
        Ok(CompiledTemplates {
            selection: selection.transpose()?,
            by_key: by_key.into_iter().map(template).collect::<Result<_, String>>()?,
        })
    }

    /// The template of the key that the expression yields, else the default one.
    fn select(&self, evaluate: impl FnOnce(&SelectionExpression) -> Option<String>) -> Option<&Template> {
        let of =
            |wanted: &str| self.by_key.iter().find(|(key, _)| key == wanted).map(|(_, template)| template);
        let own = self.selection.as_ref().and_then(evaluate).and_then(|key| of(&key));
        own.or_else(|| of(DEFAULT))
    }

    /// The text that comes out whatever goes in.
    fn constant(&self) -> Option<&str> {
        match (&self.selection, self.by_key.as_slice()) {
            (None, [(key, template)]) if key == DEFAULT => template.constant(),
            _ => None,
        }
    }
}

impl Key {
    /// What a status comes to: one other than 200 counts only where a pattern asks for it (H11).
    fn status(&self, status: u16) -> u16 {
        match self {
            Key::Default => 200,
            Key::Pattern(_) => status,
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text == DEFAULT {
            return Ok(Key::Default);
        }
        let pattern = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        let pattern = pattern.ok_or_else(|| {
            format!("has an integration response \"{text}\"; its key must be $default or /a pattern/")
        })?;
        let whole = format!("^(?:{pattern})$");
        let regex = regex::RegexBuilder::new(&whole).size_limit(PATTERN_BYTES_MAX).build();
        regex.map(Key::Pattern).map_err(|error| {
            let reason = error.to_string().lines().last().unwrap_or_default().to_owned();
            format!("has an integration response \"{text}\", which is no pattern: {reason}")
        })
    }
}

/// The `statusCode` of a MOCK integration's own answer.
pub(super) fn mock_status(answer: &str) -> Option<u16> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        status_code: Value,
    }
    let Answer { status_code } = serde_json::from_str(answer).ok()?;
    let status = match &status_code {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    u16::try_from(status).ok().filter(|status| (100..600).contains(status))
}
