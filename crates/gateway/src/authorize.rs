//! Who may connect, before `$connect` is asked (section 8).

use std::{borrow::Cow, sync::Arc, time::Duration};

use bytes::Bytes;
use dunlin_events::{AuthorizerResponse, RouteKey, json_problem, limits};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

use crate::{
    Backend, BackendError,
    calling::{Site, ask},
    connection::Connection,
    event::{EventSource, Forwarded, Handshaken, Occasion, print},
    gateway::Gateway,
    head::Head,
    integration::{Permitted, expand},
    refusal::Refusal,
    report::{Gates, Step},
    sigv4::SignedRequest,
};

/// What an authorizer throws to refuse somebody, rather than to fail (H13).
const UNAUTHORIZED: &str = "Unauthorized";

/// How handshakes are authorized.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Authorization {
    /// Nobody is asked.
    #[default]
    None,
    /// `AWS_IAM`: the request is signed, in its headers or in its query (A9).
    Iam,
    /// `CUSTOM`: a REQUEST authorizer decides (A1).
    Custom(AuthorizerConfig),
}

/// A REQUEST authorizer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuthorizerConfig {
    /// Names it in logs and errors.
    pub name: String,
    /// Name or ARN of its function, as the back end knows it; `${stageVariables.name}` in it stands for a variable of the
    /// stage.
    pub function: String,
    /// From which stages the function's policy lets the API invoke it.
    pub permitted: Permitted,
    /// Where the caller's identity stands, such as `route.request.header.Authorization`. If one of them is missing or
    /// empty, the caller is refused without asking (A6).
    pub identity_sources: Vec<String>,
}

/// [`Authorization`], checked.
#[derive(Debug)]
pub(crate) enum Authorizer {
    None,
    Iam,
    Custom(Custom),
}

#[derive(Debug)]
pub(crate) struct Custom {
    name: Box<str>,
    function: Box<str>,
    permitted: Permitted,
    identity_sources: Vec<IdentitySource>,
}

/// A place in the request (A6).
#[derive(Clone, PartialEq, Eq, Debug)]
enum IdentitySource {
    Header(Box<str>),
    Query(Box<str>),
    StageVariable(Box<str>),
    /// Names within `requestContext`.
    Context(Vec<Box<str>>),
}

impl Authorizer {
    /// Checks a configuration; the error says what is wrong with the route that has it.
    pub(crate) fn compile(config: Authorization) -> Result<Self, String> {
        match config {
            Authorization::None => Ok(Authorizer::None),
            Authorization::Iam => Ok(Authorizer::Iam),
            Authorization::Custom(AuthorizerConfig { name, function, permitted, identity_sources }) => {
                let sources = identity_sources.iter().map(|source| {
                    IdentitySource::parse(source).ok_or_else(|| {
                        format!(
                            "has an authorizer {name} with the identity source \"{source}\"; it must be route.request.header.…, \
                             route.request.querystring.…, stageVariables.… or context.…"
                        )
                    })
                });
                Ok(Authorizer::Custom(Custom {
                    identity_sources: sources.collect::<Result<_, _>>()?,
                    name: name.into(),
                    function: function.into(),
                    permitted,
                }))
            }
        }
    }
}

impl IdentitySource {
    fn parse(text: &str) -> Option<Self> {
        let named = |prefix: &str| text.strip_prefix(prefix).filter(|name| !name.is_empty());
        if let Some(name) = named("route.request.header.") {
            return Some(IdentitySource::Header(name.into()));
        }
        if let Some(name) = named("route.request.querystring.") {
            return Some(IdentitySource::Query(name.into()));
        }
        if let Some(name) = named("stageVariables.") {
            return Some(IdentitySource::StageVariable(name.into()));
        }
        named("context.").map(|path| IdentitySource::Context(path.split('.').map(Box::from).collect()))
    }

    fn is_filled(&self, request: &Handshaken<'_>, context: &Value) -> bool {
        match self {
            IdentitySource::Header(name) => request.header(name).is_some_and(|value| !value.is_empty()),
            IdentitySource::Query(name) => request.query(name).is_some_and(|value| !value.is_empty()),
            IdentitySource::StageVariable(name) => {
                request.stage_variable(name).is_some_and(|value| !value.is_empty())
            }
            IdentitySource::Context(path) => {
                let found = path.iter().try_fold(context, |value, name| value.get(&**name));
                found.is_some_and(|value| !value.is_null() && value != "")
            }
        }
    }
}

/// What an authorizer knows of a caller: what events of the connection show as `requestContext.authorizer` (A5).
#[derive(Debug)]
pub(crate) struct Principal {
    fields: Map<String, Value>,
    usage_identifier_key: Option<String>,
    latency: Duration,
}

impl Principal {
    /// The API key that the authorizer names (A10).
    pub(crate) fn usage_identifier_key(&self) -> Option<&str> {
        self.usage_identifier_key.as_deref()
    }

    /// As MESSAGE and DISCONNECT show it.
    pub(crate) fn for_events(&self) -> Option<Box<RawValue>> {
        to_raw_value(&self.fields).ok()
    }

    /// As CONNECT shows it, with the time that the authorizer took.
    pub(crate) fn for_connect(mut self) -> Option<Box<RawValue>> {
        let millis = u64::try_from(self.latency.as_millis()).unwrap_or(u64::MAX);
        self.fields.insert("integrationLatency".to_owned(), millis.into());
        to_raw_value(&self.fields).ok()
    }
}

/// A handshake that wants to be let in.
pub(crate) struct Applicant<'a> {
    pub(crate) head: &'a Head,
    pub(crate) forwarded: &'a Forwarded<'a>,
    pub(crate) source: &'a EventSource<'a>,
    pub(crate) connection: &'a Connection,
}

impl Applicant<'_> {
    /// Asks whoever is to be asked; `None` if that is nobody who knows a principal.
    ///
    /// # Errors
    /// What the client is told instead of 101 (H13).
    pub(crate) async fn authorize<B: Backend>(
        &self,
        gateway: &Arc<Gateway<B>>,
        authorizer: &Authorizer,
        gates: &mut Gates,
    ) -> Result<Option<Principal>, Refusal> {
        match authorizer {
            Authorizer::None => Ok(None),
            Authorizer::Iam => {
                let started = gateway.time.ticks();
                let verified = self.verify(gateway);
                let latency = gateway.time.ticks().saturating_sub(started);
                gates.authenticate = Some(match &verified {
                    Ok(()) => Step::gate(200, latency, None),
                    Err(refusal) => {
                        Step::gate(refusal.status.as_u16(), latency, Some(refusal.message.to_string()))
                    }
                });
                verified.map(|()| None)
            }
            Authorizer::Custom(custom) => self.ask(gateway, custom, gates).await.map(Some),
        }
    }

    fn verify<B>(&self, gateway: &Gateway<B>) -> Result<(), Refusal> {
        let (path, query) = match self.head.target().split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.head.target(), None),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in self.head.headers() {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
                headers.append(name, value);
            }
        }
        let request = SignedRequest { method: self.head.method(), path, query, headers: &headers, body: b"" };
        gateway.verifier.verify(&request, gateway.time.real()).map_err(|denied| {
            tracing::debug!("handshake denied: {denied}");
            Refusal::new(StatusCode::FORBIDDEN, denied.to_string())
        })
    }

    async fn ask<B: Backend>(
        &self,
        gateway: &Arc<Gateway<B>>,
        custom: &Custom,
        gates: &mut Gates,
    ) -> Result<Principal, Refusal> {
        let now_ms = gateway.now_ms();
        let request_id = gateway.ids.request(now_ms);
        let occasion = Occasion { route_key: RouteKey::CONNECT, request_id: &request_id, now_ms };
        let stage = &self.connection.stage.name;
        let method_arn = format!(
            "arn:aws:execute-api:{}:{}:{}/{stage}/{}",
            gateway.config.region,
            gateway.config.account_id,
            self.source.api.id,
            RouteKey::CONNECT
        );
        let request = self.source.handshaken(self.head, self.forwarded);
        let event = request.authorizer_event(&occasion, &method_arn);
        if !custom.identity_sources.is_empty() {
            let context = serde_json::to_value(&event.request_context).unwrap_or_default();
            if !custom.identity_sources.iter().all(|source| source.is_filled(&request, &context)) {
                return Err(Refusal::of_status(StatusCode::UNAUTHORIZED));
            }
        }
        let refuse = |status: StatusCode, problem: Cow<'_, str>| {
            let connection_id = self.connection.id();
            tracing::warn!(
                request_id,
                connection_id,
                authorizer = &*custom.name,
                "not authorized: {problem}"
            );
            Refusal::of_status(status)
        };
        let stage = &self.connection.stage;
        if !custom.permitted.allows(&stage.name) {
            let problem = "the gateway lacks the permission to invoke the authorizer".into();
            return Err(refuse(StatusCode::INTERNAL_SERVER_ERROR, problem));
        }
        let function = expand(&custom.function, &stage.variables).map_err(|name| {
            let problem = format!("stage {} has no variable {name}", stage.name);
            refuse(StatusCode::INTERNAL_SERVER_ERROR, problem.into())
        })?;
        gates.authorizer_request_id = Some(request_id.clone());
        let started = gateway.time.ticks();
        let site = Site { route_key: RouteKey::CONNECT, connection: self.connection };
        let call = ask(gateway, &function, print(&event), &site);
        let answer = gateway.time.timeout(limits::INTEGRATION_TIMEOUT_MAX, call).await;
        let latency = gateway.time.ticks().saturating_sub(started);
        gates.authorizer = Some(step(answer.as_ref(), latency));
        let answer = match answer {
            Some(Ok(answer)) => answer,
            Some(Err(BackendError::FunctionError { message })) if message == UNAUTHORIZED => {
                return Err(Refusal::of_status(StatusCode::UNAUTHORIZED));
            }
            Some(Err(error)) => {
                return Err(refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string().into()));
            }
            None => {
                return Err(refuse(StatusCode::INTERNAL_SERVER_ERROR, "the authorizer timed out".into()));
            }
        };
        let response =
            read(&answer).map_err(|problem| refuse(StatusCode::INTERNAL_SERVER_ERROR, problem.into()))?;
        let is_allowed = response.policy_document.allows(&method_arn);
        gates.authorize = Some(Step::gate(if is_allowed { 200 } else { 403 }, Duration::ZERO, None));
        if !is_allowed {
            tracing::debug!(request_id, "the policy does not allow {method_arn}");
            return Err(Refusal::forbidden());
        }
        let usage_identifier_key = response.usage_identifier_key.clone();
        Ok(Principal { fields: fields(response), usage_identifier_key, latency })
    }
}

/// How the call of an authorizer went.
fn step(answer: Option<&Result<Bytes, BackendError>>, latency: Duration) -> Step {
    let (status, service_status, error) = match answer {
        Some(Ok(_)) => (200, Some(200), None),
        Some(Err(BackendError::FunctionError { message })) if message == UNAUTHORIZED => {
            (401, Some(200), Some(message.clone()))
        }
        Some(Err(error)) => (500, None, Some(error.to_string())),
        None => (500, None, Some("the authorizer timed out".to_owned())),
    };
    Step { service_status, ..Step::gate(status, latency, error) }
}

/// An authorizer's answer, if it is one (A3).
fn read(answer: &[u8]) -> Result<AuthorizerResponse, String> {
    if answer.len() > limits::AUTHORIZER_RESULT_BYTES_MAX {
        let max = limits::AUTHORIZER_RESULT_BYTES_MAX;
        return Err(format!("its answer has {} bytes; at most {max} are possible", answer.len()));
    }
    let response: AuthorizerResponse = serde_json::from_slice(answer)
        .map_err(|error| format!("its answer is no authorizer's: {}", json_problem(&error)))?;
    let nested = response.context.iter().flatten().find(|(_, value)| value.is_array() || value.is_object());
    match nested {
        Some((key, _)) => Err(format!("context.{key} is neither a string nor a number nor a boolean")),
        None => Ok(response),
    }
}

/// The principal and the context, every value as text (A5).
fn fields(response: AuthorizerResponse) -> Map<String, Value> {
    let text = |value: Value| match value {
        Value::String(_) => value,
        other => Value::String(other.to_string()),
    };
    let context = response.context.into_iter().flatten().map(|(key, value)| (key, text(value)));
    let mut fields: Map<String, Value> = context.collect();
    fields.insert("principalId".to_owned(), response.principal_id.into());
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_sources() {
        let boxed = Box::<str>::from;
        for (text, expected) in [
            ("route.request.header.Auth", Some(IdentitySource::Header(boxed("Auth")))),
            ("route.request.querystring.t", Some(IdentitySource::Query(boxed("t")))),
            ("stageVariables.v", Some(IdentitySource::StageVariable(boxed("v")))),
            (
                "context.identity.sourceIp",
                Some(IdentitySource::Context(vec![boxed("identity"), boxed("sourceIp")])),
            ),
            // The form of REST APIs (A6).
            ("$request.header.Auth", None),
            ("route.request.header.", None),
            ("route.request.body.x", None),
            ("", None),
        ] {
            assert_eq!(IdentitySource::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn answers() {
        let policy = r#""policyDocument":{"Version":"2012-10-17","Statement":[]}"#;
        for (answer, problem) in [
            (format!(r#"{{"principalId":"u",{policy},"context":{{"a":1,"b":true,"c":"d"}}}}"#), None),
            (
                format!(r#"{{"principalId":"u",{policy},"context":{{"a":[1]}}}}"#),
                Some("context.a is neither"),
            ),
            (format!("{{{policy}}}"), Some("missing field `principalId`")),
            (r#"{"principalId":"u"}"#.to_owned(), Some("missing field `policyDocument`")),
            ("null".to_owned(), Some("no authorizer's")),
            ("not json".to_owned(), Some("no authorizer's")),
            (format!("\"{}\"", "x".repeat(8 * 1024)), Some("at most 8192")),
        ] {
            match (read(answer.as_bytes()), problem) {
                (Ok(response), None) => {
                    let fields = Value::Object(fields(response));
                    let expected = serde_json::json!({"a": "1", "b": "true", "c": "d", "principalId": "u"});
                    assert_eq!(fields, expected);
                }
                (Err(said), Some(expected)) => assert!(said.contains(expected), "{said}"),
                (read, _) => panic!("{answer}: {read:?}"),
            }
        }
    }
}
