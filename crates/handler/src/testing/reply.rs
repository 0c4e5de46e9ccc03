use std::fmt;

use dunlin_events::{AuthorizerResponse, ProxyResult};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::{Service, ServiceExt};

use super::METHOD_ARN;
use crate::{Answer, FunctionError, RawEvent};

/// What a router answered.
#[derive(Clone, Debug)]
pub struct TestReply {
    result: ProxyResult,
    body: Value,
}

impl TestReply {
    /// The status for the gateway.
    pub fn status(&self) -> u16 {
        self.result.status_code
    }

    /// Whether a handshake with this answer is let in (fact H10).
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status())
    }

    /// The message over the route response, if any.
    pub fn body(&self) -> Option<&str> {
        self.result.body.as_deref()
    }

    /// The message as JSON; `null` if there is none, or it is something else.
    pub fn json(&self) -> &Value {
        &self.body
    }

    /// The message as a type.
    ///
    /// # Panics
    /// If there is none, or it is something else.
    pub fn parse<T: DeserializeOwned>(&self) -> T {
        let body = self.body().expect("the answer has a message");
        serde_json::from_str(body).unwrap_or_else(|error| fail(&format!("{error}: {body}")))
    }

    /// The code of an error message.
    pub fn error_code(&self) -> Option<&str> {
        self.body["error"]["code"].as_str()
    }

    /// The text of an error message.
    pub fn error_message(&self) -> Option<&str> {
        self.body["error"]["message"].as_str()
    }

    /// The subprotocol that the handshake is answered with.
    pub fn subprotocol(&self) -> Option<&str> {
        self.header("Sec-WebSocket-Protocol")
    }

    /// A header for the gateway, its name compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.result.header(name)
    }
}

/// Sends one event to a router, layered or not, and reads what the gateway would read.
///
/// # Panics
/// If the service fails, or answers something that the gateway would not take.
pub async fn send<S>(service: &mut S, event: impl Into<RawEvent>) -> TestReply
where
    S: Service<RawEvent, Response = Answer>,
    S::Error: fmt::Debug,
{
    let answer = call(service, event.into()).await.expect("the service answers");
    let result = ProxyResult::from_answer(answer.as_str().as_bytes()).expect("the answer is a proxy result");
    let body = result.body.as_deref().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
    TestReply { result, body }
}

/// Sends one plain event to a function and reads its answer. The event is JSON text, or a [`RawEvent`] with more to it.
///
/// # Errors
/// What failed the invocation.
///
/// # Panics
/// If the answer is not JSON.
pub async fn send_event<S>(service: &mut S, event: impl Into<RawEvent>) -> Result<Value, S::Error>
where
    S: Service<RawEvent, Response = Answer>,
{
    let answer = call(service, event.into()).await?;
    Ok(serde_json::from_str(answer.as_str()).expect("the answer is JSON"))
}

/// What becomes of a client whose authorizer answered like this (fact H13).
#[derive(Clone, Debug)]
pub struct TestVerdict(Result<AuthorizerResponse, String>);

impl TestVerdict {
    /// Whether the policy lets the client go on to `$connect`, of which the ARN is [`METHOD_ARN`].
    pub fn is_allowed(&self) -> bool {
        self.refusal_status().is_none()
    }

    /// The status that the client is refused with.
    pub fn refusal_status(&self) -> Option<u16> {
        match &self.0 {
            Ok(response) if response.policy_document.allows(METHOD_ARN) => None,
            Ok(_) => Some(403),
            Err(message) if message == FunctionError::UNAUTHORIZED => Some(401),
            Err(_) => Some(500),
        }
    }

    /// Who the client is said to be.
    pub fn principal_id(&self) -> Option<&str> {
        self.response().map(|response| response.principal_id.as_str())
    }

    /// An entry of the context.
    pub fn context(&self, key: &str) -> Option<&Value> {
        self.response()?.context.as_ref()?.get(key)
    }

    /// The whole answer, if the function did not fail.
    pub fn response(&self) -> Option<&AuthorizerResponse> {
        self.0.as_ref().ok()
    }

    /// What the function failed with.
    pub fn failure(&self) -> Option<&str> {
        self.0.as_ref().err().map(String::as_str)
    }
}

/// Sends one event to the function of an authorizer and reads what the gateway would read.
///
/// # Panics
/// If the answer is not that of an authorizer.
pub async fn send_authorizer<S>(service: &mut S, event: impl Into<RawEvent>) -> TestVerdict
where
    S: Service<RawEvent, Response = Answer>,
    S::Error: fmt::Display,
{
    let answer = call(service, event.into()).await.map_err(|error| error.to_string());
    let parse =
        |answer: Answer| serde_json::from_str(answer.as_str()).expect("the answer is an authorizer's");
    TestVerdict(answer.map(parse))
}

async fn call<S: Service<RawEvent>>(service: &mut S, event: RawEvent) -> Result<S::Response, S::Error> {
    service.ready().await?.call(event).await
}

#[expect(clippy::panic, reason = "a test fails by panicking")]
fn fail(reason: &str) -> ! {
    panic!("{reason}")
}
