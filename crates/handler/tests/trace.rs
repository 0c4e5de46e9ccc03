//! What is logged. Alone in its process: whether a place logs is decided once for all threads, by whichever comes first.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    io,
    sync::{Arc, Mutex},
};

use dunlin_handler::{
    HandlerError, Json, Router, Trace,
    testing::{TestEvent, send},
};
use serde_json::{Value, json};
use tower::Layer;

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_line_names_its_invocation_and_none_holds_a_payload() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            async fn fails(Json(_): Json<Value>) -> Result<(), HandlerError> {
                tracing::info!("at work");
                Err(HandlerError::internal("the table is gone"))
            }
            async fn panics(Json(_): Json<Value>) {
                panic!("index out of bounds")
            }
            let router = Router::new().route("fails", fails).route("panics", panics).connect(echo_query);
            let mut router = Trace::layer().layer(router);
            for (route_key, body) in
                [("fails", r#"{"p":"secret"}"#), ("panics", "{}"), ("fails", "secret"), ("none", "secret")]
            {
                send(&mut router, TestEvent::message(route_key, body).request_id("r1").connection_id("c1"))
                    .await;
            }
            send(
                &mut router,
                TestEvent::connect().header("Authorization", "secret").query("token", "secret"),
            )
            .await;
        });
    });
    async fn echo_query(query: dunlin_handler::QueryMap) -> HandlerError {
        HandlerError::forbidden(format!("{query:?}"))
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(!log.contains("secret"), "{log}");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let messages: Vec<&str> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(
        messages,
        [
            "at work",
            "handler failed",
            "handler failed",
            "request refused",
            "request refused",
            "request refused"
        ]
    );
    for line in &lines[..5] {
        assert_eq!(
            (&line["span"]["request_id"], &line["span"]["connection_id"]),
            (&json!("r1"), &json!("c1")),
            "{line}"
        );
    }
    assert_eq!(lines[0]["span"]["route_key"], "fails");
    assert_eq!(lines[1]["cause"], "the table is gone");
    assert_eq!(lines[2]["cause"], "the handler panicked: index out of bounds");
}
