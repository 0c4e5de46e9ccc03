//! One function for each kind of event, which reads all that its event has.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use dunlin_events::{AuthorizerResponse, ConnectionId, ProxyResult};
use dunlin_handler::{
    Answer, Authorizer, AuthorizerHandler, Body, Closed, Connection, Deadline, Decision, EventHandler,
    FromRequest, HandlerError, Headers, Json, Payload, Query, QueryMap, RawEvent, Request, RequestContext,
    RequestId, Router, StageVariables, Subprotocols, Text,
};
use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::Value;
use tower::Service;

/// The kinds of events, each with a sample of the service.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Kind {
    Connect,
    Message,
    MessageBase64,
    Disconnect,
    Authorizer,
    Plain,
}

/// What came of an event.
#[derive(PartialEq, Debug)]
pub(crate) enum Outcome {
    /// The handler ran.
    Answered,
    /// It did not, for this reason.
    Refused(String),
    /// Neither: a panic, or an answer that its caller would not take.
    Broken(String),
}

impl Kind {
    pub(crate) const ALL: [Kind; 6] =
        [Kind::Connect, Kind::Message, Kind::MessageBase64, Kind::Disconnect, Kind::Authorizer, Kind::Plain];

    pub(crate) fn sample(self) -> &'static str {
        match self {
            Kind::Connect => include_str!("../../../events/tests/samples/connect.json"),
            Kind::Message => include_str!("../../../events/tests/samples/message.json"),
            Kind::MessageBase64 => include_str!("../../../events/tests/samples/message-base64.json"),
            Kind::Disconnect => include_str!("../../../events/tests/samples/disconnect.json"),
            Kind::Authorizer => include_str!("../../../events/tests/samples/authorizer-request.json"),
            Kind::Plain => include_str!("../../../events/tests/samples/iot-rule.json"),
        }
    }

    /// Hands the event to the kind's function.
    pub(crate) fn send(self, event: RawEvent) -> Outcome {
        let sent = catch_unwind(AssertUnwindSafe(|| match self {
            Kind::Authorizer => {
                authorized(call(&mut AuthorizerHandler::new(authorize).with_state(()), event))
            }
            Kind::Plain => plain(call(&mut EventHandler::new(reading).with_state(()), event)),
            _ => {
                let router = Router::new().connect(handshake).disconnect(end);
                proxied(call(&mut router.route("sendReading", message).default(message), event))
            }
        }));
        sent.unwrap_or_else(|_| Outcome::Broken("it panicked".to_owned()))
    }
}

fn call<S: Service<RawEvent, Response = Answer>>(
    service: &mut S,
    event: RawEvent,
) -> Result<Answer, S::Error> {
    service.call(event).now_or_never().expect("nothing here waits")
}

fn proxied(answer: Result<Answer, std::convert::Infallible>) -> Outcome {
    let Ok(answer) = answer;
    let result = match ProxyResult::from_answer(answer.as_str().as_bytes()) {
        Ok(result) => result,
        Err(error) => return Outcome::Broken(format!("{error}: {}", answer.as_str())),
    };
    match (result.status_code, result.body) {
        (200, _) => Outcome::Answered,
        (400, Some(frame)) => refused(&frame),
        (status, frame) => Outcome::Broken(format!("status {status}: {frame:?}")),
    }
}

fn plain(answer: Result<Answer, dunlin_handler::FunctionError>) -> Outcome {
    match answer {
        Ok(answer) if answer.as_str() == "true" => Outcome::Answered,
        Ok(answer) => refused(answer.as_str()),
        Err(error) => Outcome::Broken(error.to_string()),
    }
}

/// An authorizer fails for what is no event of its kind, and its client gets 500 (H13). What its handler cannot read is a refusal.
fn authorized(answer: Result<Answer, dunlin_handler::FunctionError>) -> Outcome {
    match answer {
        Ok(answer) => match serde_json::from_str::<AuthorizerResponse>(answer.as_str()) {
            Ok(response) if response.principal_id == "unknown" => {
                Outcome::Refused("the event is none of an authorizer".to_owned())
            }
            Ok(_) => Outcome::Answered,
            Err(error) => Outcome::Broken(format!("{error}: {}", answer.as_str())),
        },
        Err(error) => match error.to_string().strip_prefix("invalid_event: ") {
            Some(sentence) => Outcome::Refused(sentence.to_owned()),
            None => Outcome::Broken(error.to_string()),
        },
    }
}

fn refused(frame: &str) -> Outcome {
    let Ok(frame) = serde_json::from_str::<Value>(frame) else {
        return Outcome::Broken(format!("no frame: {frame}"));
    };
    match (&frame["error"]["code"], frame["error"]["message"].as_str()) {
        (Value::String(code), Some(message)) if code != "internal" => Outcome::Refused(message.to_owned()),
        _ => Outcome::Broken(frame.to_string()),
    }
}

/// Whatever a request can be read as; the first thing that cannot be is the refusal.
struct Everything;

impl<S> FromRequest<S> for Everything {
    fn from_request(request: &Request<'_>, state: &S) -> Result<Self, HandlerError> {
        let id = ConnectionId::from_request(request, state)?;
        assert_eq!(id, Connection::from_request(request, state)?.id);
        RequestContext::from_request(request, state)?;
        Headers::from_request(request, state)?.get("host").map(str::len);
        QueryMap::from_request(request, state)?.get_all("device").len();
        Query::<BTreeMap<String, String>>::from_request(request, state)?;
        Query::<Option<BTreeMap<String, Vec<String>>>>::from_request(request, state)?;
        Subprotocols::from_request(request, state)?.choose(&["telemetry.v1"]);
        StageVariables::from_request(request, state)?;
        Closed::from_request(request, state)?;
        RequestId::from_request(request, state)?;
        Deadline::from_request(request, state)?;
        // Of any type: what it should be is the app's affair.
        Authorizer::<Value>::from_request(request, state)
            .map_err(|_| HandlerError::new("authorizer", "the handler"))?;
        Ok(Everything)
    }
}

async fn handshake(_: Everything) {}

async fn end(_: Everything, _: Closed) {}

#[derive(Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "only whether it parses matters")]
enum Message {
    Reading { device: String, value: f64 },
    Other(Value),
}

async fn message(
    _: Everything,
    body: Body,
    text: Result<Text, HandlerError>,
    _: Result<Json<Message>, HandlerError>,
) {
    assert!(text.is_err() || !body.0.is_empty() || text.unwrap().0.is_empty());
}

async fn authorize(_: Everything) -> Decision {
    Decision::allow("user-42")
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only whether it parses matters")]
struct Reading {
    device: String,
    value: f64,
    unit: Option<String>,
    topic: String,
    received_at: u64,
    client: String,
}

async fn reading(_: Payload<Reading>) -> Json<bool> {
    Json(true)
}
