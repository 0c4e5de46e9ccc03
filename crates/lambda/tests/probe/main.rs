//! A function for the tests of this crate: one process, as the platform starts it.

use std::{process::ExitCode, sync::Arc, time::Instant};

use dunlin_handler::{Deadline, Json, RequestId, Router, State};
use serde_json::{Value, json};
use tokio::sync::Barrier;

/// Messages of the route `meet` that wait for each other.
const MEETING: usize = 4;

/// Answers once as many messages are here as meet: never, if they came one after the other.
async fn meet(State(meeting): State<Arc<Barrier>>, Json(message): Json<Value>) -> Json<Value> {
    meeting.wait().await;
    Json(message)
}

async fn describe(id: RequestId, Deadline(deadline): Deadline) -> Json<Value> {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    Json(json!({"request_id": id.0, "seconds_left": left.map(|left| left.as_secs())}))
}

#[expect(clippy::panic, reason = "it is what the test is about")]
async fn panics() {
    panic!("secret of the handler");
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    dunlin_lambda::init_tracing();
    let router = Router::new().route("meet", meet).route("describe", describe).route("panics", panics);
    let router = router.with_state(Arc::new(Barrier::new(MEETING)));
    match dunlin_lambda::run_until_shutdown(router, async || eprintln!("bye")).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("probe: {error}");
            ExitCode::FAILURE
        }
    }
}
