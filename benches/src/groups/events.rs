//! The service's JSON: read into the types of the events crate and printed again, beside other ways to the same.

use std::hint::black_box;

use dunlin_events::{ProxyResult, WebSocketEvent};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    data::{connect_event, list_body, message_event},
    pairs::{Group, Pair, Work},
};

pub(super) fn fill(group: &mut Group) {
    for (name, event) in events() {
        let parse = format!("parse_{name}");
        let text = event.clone();
        group.pair(&format!("{parse}/value"), move || {
            Pair::new(typed_parse(&text), "serde_json::Value", value_parse(&text)).rival()
        });
        let text = event.clone();
        group.pair(&format!("{parse}/scan"), move || {
            Pair::new(typed_parse(&text), "a scan for its end", scan(&text))
        });
        let text = event.clone();
        group.pair(&format!("print_{name}/value"), move || {
            Pair::new(typed_print(&text), "serde_json::Value", owned_print::<Value>(&text)).rival()
        });
        #[cfg(feature = "aws-lambda-events")]
        against_aws_lambda_events::fill(group, name, event);
    }
    group.pair("print_result/typical", || {
        let body = list_body(20);
        Pair::new(result_print(&body), "the type's own Serialize", result_serialize(&body)).rival()
    });
}

fn events() -> [(&'static str, String); 2] {
    [("message", message_event("set_notify_list", &list_body(2))), ("connect", connect_event())]
}

/// Into the type that borrows.
fn typed_parse(event: &str) -> Work {
    let check: WebSocketEvent<'_> = serde_json::from_str(event).expect("the event is the service's");
    assert_eq!(serde_json::to_string(&check).expect("an event can be printed"), event, "nothing is lost");
    let (event, expected) = (event.to_owned(), event.len());
    Work::each(
        move || {
            let parsed: WebSocketEvent<'_> =
                serde_json::from_str(black_box(&event)).expect("the event is the service's");
            black_box(&parsed);
            event.len()
        },
        move |bytes| assert_eq!(*bytes, expected),
    )
}

/// Into a tree.
fn value_parse(event: &str) -> Work {
    let expected: Value = serde_json::from_str(event).expect("the event is JSON");
    owned_parse(event, move |value: &Value| assert_eq!(*value, expected))
}

fn owned_parse<T: DeserializeOwned + 'static>(event: &str, check: impl Fn(&T) + 'static) -> Work {
    let event = event.to_owned();
    Work::each(
        move || serde_json::from_str::<T>(black_box(&event)).expect("the event is the service's"),
        check,
    )
}

/// Beside the crate that many functions read their events with.
#[cfg(feature = "aws-lambda-events")]
mod against_aws_lambda_events {
    use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;

    use super::*;

    pub(super) fn fill(group: &mut Group, name: &str, event: String) {
        let text = event.clone();
        group.pair(&format!("parse_{name}/aws_lambda_events"), move || {
            Pair::new(typed_parse(&text), "aws_lambda_events", parse(&text)).rival()
        });
        group.pair(&format!("print_{name}/aws_lambda_events"), move || {
            let reference = owned_print::<ApiGatewayWebsocketProxyRequest>(&event);
            Pair::new(typed_print(&event), "aws_lambda_events", reference).rival()
        });
    }

    fn parse(event: &str) -> Work {
        let expected: Value = serde_json::from_str(event).expect("the event is JSON");
        let connection_id = expected["requestContext"]["connectionId"].as_str().map(str::to_owned);
        owned_parse(event, move |request: &ApiGatewayWebsocketProxyRequest| {
            assert_eq!(request.request_context.connection_id, connection_id);
        })
    }
}

/// Finds out that the text is one JSON value and where it ends, and keeps nothing: the floor of every reader.
fn scan(event: &str) -> Work {
    let event = event.to_owned();
    Work::each(
        move || {
            let mut reader = serde_json::Deserializer::from_str(black_box(&event));
            serde::de::IgnoredAny::deserialize(&mut reader).is_ok() && reader.end().is_ok()
        },
        |whole| assert!(whole),
    )
}

fn typed_print(event: &str) -> Work {
    let expected = event.to_owned();
    // It borrows for as long as the benchmark lives, which is as long as the program.
    let text: &'static str = event.to_owned().leak();
    let event: WebSocketEvent<'static> = serde_json::from_str(text).expect("the event is the service's");
    Work::each(
        move || serde_json::to_string(black_box(&event)).expect("an event can be printed"),
        move |printed| assert_eq!(*printed, expected),
    )
}

fn owned_print<T: DeserializeOwned + Serialize + 'static>(event: &str) -> Work {
    let event: T = serde_json::from_str(event).expect("the event is the service's");
    let bytes = serde_json::to_string(&event).expect("an event can be printed").len();
    Work::each(
        move || serde_json::to_string(black_box(&event)).expect("an event can be printed"),
        move |printed| assert_eq!(printed.len(), bytes),
    )
}

/// An answer, as the handler crate prints it.
fn result_print(body: &str) -> Work {
    let (body, expected) = (body.to_owned(), serialized(body));
    Work::each(
        move || ProxyResult::print(200, None, Some(black_box(&body))),
        move |printed| assert_eq!(*printed, expected),
    )
}

fn result_serialize(body: &str) -> Work {
    let (body, expected) = (body.to_owned(), serialized(body));
    Work::each(move || serialized(black_box(&body)), move |printed| assert_eq!(*printed, expected))
}

fn serialized(body: &str) -> String {
    let result = ProxyResult { body: Some(body.to_owned()), ..ProxyResult::status(200) };
    serde_json::to_string(&result).expect("a result can be printed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairs::doubles;

    #[test]
    fn twice_the_event_costs_twice_as_much() {
        let event = |times: u64| message_event("set_notify_list", &list_body(times as usize * 1_000));
        doubles("parse", |times| typed_parse(&event(times)));
        doubles("parse Value", |times| value_parse(&event(times)));
        doubles("scan", |times| scan(&event(times)));
        doubles("print", |times| typed_print(&event(times)));
        doubles("print result", |times| result_print(&list_body(times as usize * 1_000)));
    }
}
