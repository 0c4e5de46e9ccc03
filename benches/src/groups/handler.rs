//! From an event to an answer: what the handler crate adds to parsing and printing.

use std::{borrow::Cow, hint::black_box};

use dunlin_events::limits::MESSAGE_BYTES_MAX;
use dunlin_handler::{Connection, HandlerError, Json, RawEvent, Router};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use tower::Service;

use crate::{
    data::{list_body, message_event},
    pairs::{Group, Pair, Work},
};

/// Events whose copies are made before they are measured together: both sides own their event, as a runtime hands it over.
const BATCH: usize = 64;

/// The same where an event is large.
const BATCH_OF_LARGE: usize = 4;

const ROUTE: &str = "set_notify_list";

pub(super) fn fill(group: &mut Group) {
    // The promise: all of it, against what any handler must do first.
    group.pair("message_slim/typical", || {
        let event = typical();
        Pair::new(answered(&event, BATCH, "dev-2"), "slim parse of the event", slim_parse(&event))
    });
    for (size, event, batch) in sizes() {
        group.pair(&format!("message/{size}"), move || {
            let subject = answered(&event, batch, "dev-2");
            Pair::new(subject, "the same by hand", by_hand(&event, batch))
        });
    }
    group.pair("unknown_route/typical", || {
        let event = message_event("elsewhere", &list_body(2));
        Pair::new(answered(&event, BATCH, "unknown_action"), "slim parse, printed error", refused(&event))
    });
    group.pair("bad_body/typical", || {
        let event = message_event(ROUTE, r#"{"action":"set_notify_list","device_ids":["dev-1",2]}"#);
        Pair::new(answered(&event, BATCH, "device_ids[1]"), "slim parse, printed error", refused(&event))
    });
}

fn typical() -> String {
    message_event(ROUTE, &list_body(2))
}

/// Bodies from a few bytes to the largest message.
fn sizes() -> [(&'static str, String, usize); 3] {
    [
        ("small", message_event(ROUTE, r#"{"device_ids":["dev-2"]}"#), BATCH),
        ("typical", typical(), BATCH),
        ("128KB", message_event(ROUTE, &large_body(MESSAGE_BYTES_MAX)), BATCH_OF_LARGE),
    ]
}

/// A list that fills about so many bytes.
fn large_body(bytes: usize) -> String {
    let each = list_body(1_002).len() - list_body(1_001).len();
    let mut devices = bytes / each;
    while list_body(devices).len() > bytes {
        devices -= 1;
    }
    list_body(devices)
}

#[derive(Deserialize, Serialize)]
struct SetNotifyList {
    device_ids: Vec<String>,
}

#[derive(Serialize)]
struct NotifyList {
    r#type: &'static str,
    device_ids: Vec<String>,
}

async fn set_notify_list(
    connection: Connection,
    Json(list): Json<SetNotifyList>,
) -> Result<Json<NotifyList>, HandlerError> {
    black_box(&connection.id);
    Ok(Json(NotifyList { r#type: "notify_list", device_ids: list.device_ids }))
}

async fn other() -> &'static str {
    "other"
}

/// An app of three routes answers the event; the answer contains `part`.
fn answered(event: &str, batch: usize, part: &'static str) -> Work {
    let mut router = Router::new().connect(other).disconnect(other).route("ping", other);
    router = router.route(ROUTE, set_notify_list);
    let event = event.to_owned();
    Work::batched(
        batch,
        move || RawEvent::new(event.as_str()),
        move |event| {
            let answer = router.call(event).now_or_never().expect("nothing in this app waits");
            let Ok(answer) = answer;
            answer
        },
        move |answer| assert!(answer.as_str().contains(part), "{}", answer.as_str()),
    )
}

/// What the reference reads of an event: as much as a route and an answer need, borrowed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SlimEvent<'e> {
    #[serde(borrow)]
    request_context: SlimContext<'e>,
    #[serde(borrow)]
    body: Cow<'e, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SlimContext<'e> {
    route_key: &'e str,
    connection_id: &'e str,
    request_id: &'e str,
}

fn slim(event: &str) -> SlimEvent<'_> {
    let event: SlimEvent<'_> = serde_json::from_str(event).expect("the event is JSON");
    black_box((event.request_context.route_key, event.request_context.connection_id));
    event
}

fn slim_parse(event: &str) -> Work {
    let body_bytes = slim(event).body.len();
    let event = event.to_owned();
    Work::batched(
        BATCH,
        move || event.clone(),
        |event| slim(&event).body.len(),
        move |bytes| assert_eq!(*bytes, body_bytes),
    )
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Result200<'a> {
    status_code: u16,
    body: &'a str,
}

/// Reads the event and its body, and prints the same answer: the shortest code with `serde_json` that gets it.
fn by_hand(event: &str, batch: usize) -> Work {
    let print = |event: String| {
        let slim = slim(&event);
        let list: SetNotifyList = serde_json::from_str(&slim.body).expect("the body is a list");
        let reply = NotifyList { r#type: "notify_list", device_ids: list.device_ids };
        let reply = serde_json::to_string(&reply).expect("a list can be printed");
        let answer = Result200 { status_code: 200, body: &reply };
        serde_json::to_string(&answer).expect("a text can be printed")
    };
    let expected = {
        let mut router = Router::new().route(ROUTE, set_notify_list);
        let Ok(answer) = router.call(RawEvent::new(event)).now_or_never().expect("nothing in this app waits");
        answer.as_str().to_owned()
    };
    let event = event.to_owned();
    Work::batched(
        batch,
        move || event.clone(),
        print,
        move |answer| assert_eq!(*answer, expected, "both print the same"),
    )
}

#[derive(Serialize)]
struct Refusal<'a> {
    r#type: &'static str,
    error: RefusalError<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RefusalError<'a> {
    code: &'static str,
    message: &'static str,
    request_id: &'a str,
}

/// Reads the event, looks whether the body is what it should be, and prints a refusal that says nothing in particular.
fn refused(event: &str) -> Work {
    let print = |event: String| {
        let slim = slim(&event);
        black_box(serde_json::from_str::<SetNotifyList>(&slim.body).is_ok());
        let error =
            RefusalError { code: "bad", message: "bad", request_id: slim.request_context.request_id };
        let reply = serde_json::to_string(&Refusal { r#type: "error", error }).expect("texts can be printed");
        let answer = Result200 { status_code: 400, body: &reply };
        serde_json::to_string(&answer).expect("a text can be printed")
    };
    let event = event.to_owned();
    let check = |answer: &String| {
        assert!(answer.starts_with(r#"{"statusCode":400,"body":"{\"type\":\"error\""#), "{answer}");
    };
    Work::batched(BATCH, move || event.clone(), print, check)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairs::doubles;

    #[test]
    fn twice_the_body_costs_twice_as_much() {
        let event = |times: u64| message_event(ROUTE, &large_body(times as usize * MESSAGE_BYTES_MAX / 2));
        doubles("handler", |times| answered(&event(times), BATCH_OF_LARGE, "dev-2"));
        doubles("by hand", |times| by_hand(&event(times), BATCH_OF_LARGE));
        doubles("slim parse", |times| slim_parse(&event(times)));
    }

    #[test]
    fn the_largest_body_is_almost_as_large_as_a_message_may_be() {
        let bytes = large_body(MESSAGE_BYTES_MAX).len();
        assert!((MESSAGE_BYTES_MAX - 16..=MESSAGE_BYTES_MAX).contains(&bytes), "{bytes}");
    }
}
