//! Events as the typed handlers read them: each gets an answer or one sentence.

use dunlin_events::{ConnectionId, ProxyResult};
use dunlin_handler::{
    Answer, AuthorizerHandler, Body, Closed, Decision, EventHandler, Headers, Json, Payload, QueryMap,
    RawEvent, RequestContext, Router,
};
use futures_util::FutureExt;
use serde_json::Value;
use tower::Service;

use crate::Target;

/// See the module.
pub const TARGET: Target = Target { name: "handler", run, ..super::events::TARGET };

fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let router =
        Router::new().connect(connect).disconnect(disconnect).route("sendReading", json).default(message);
    let Ok(answer) = call(&mut router.with_state(()), text);
    let result =
        ProxyResult::from_answer(answer.as_str().as_bytes()).expect("a router answers with a proxy result");
    assert!(matches!(result.status_code, 200 | 400), "{}", answer.as_str());
    // Only JSON of some kind is told of; nothing that is thrown at it is an error of the function's own.
    for problem in [
        call(&mut AuthorizerHandler::new(authorize).with_state(()), text).err(),
        call(&mut EventHandler::new(event).with_state(()), text).err(),
    ] {
        assert!(problem.is_none_or(|problem| !problem.to_string().is_empty()));
    }
}

fn call<S: Service<RawEvent, Response = Answer>>(service: &mut S, text: &str) -> Result<Answer, S::Error> {
    service.call(RawEvent::new(text)).now_or_never().expect("nothing here waits")
}

async fn connect(_: ConnectionId, _: Headers, _: QueryMap) {}

async fn disconnect(_: ConnectionId, _: Closed) {}

async fn message(_: ConnectionId, _: RequestContext, _: Body) {}

async fn json(_: ConnectionId, _: Json<Value>) {}

async fn authorize(_: Headers) -> Decision {
    Decision::allow("user")
}

async fn event(_: Payload<Value>) -> Json<bool> {
    Json(true)
}
