//! From an event to an answer: what the handler crate adds to parsing.
//!
//! Measured is the processor time of the thread: nothing here waits, and what the machine does meanwhile is not the handler's.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::borrow::Cow;
use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use dunlin_benches::message_event;
use dunlin_events::WebSocketEvent;
use dunlin_handler::{Connection, HandlerError, Json, RawEvent, Router};
use futures_util::FutureExt;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower::Service;

/// Where criterion keeps the results: `handler/…/set_notify_list`.
const SIZE: &str = "set_notify_list";

#[derive(Deserialize)]
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

fn message(criterion: &mut Criterion<ThreadTime>) {
    let payload = message_event();
    let mut router = Router::new().connect(other).disconnect(other).default(other).route("ping", other);
    router = router.route("set_notify_list", set_notify_list);

    let event = || RawEvent::new(payload.as_str());
    let mut answer = move |event: RawEvent| {
        let answer = router.call(event).now_or_never().expect("nothing in this app waits");
        let Ok(answer) = answer;
        answer
    };
    let once = answer(event());
    assert!(once.as_str().contains(r#"[\"dev-1\",\"dev-2\"]"#), "{}", once.as_str());

    let mut group = criterion.benchmark_group("handler");
    group.bench_function(criterion::BenchmarkId::new("message", SIZE), |bencher| {
        bencher.iter_batched(event, &mut answer, BatchSize::SmallInput);
    });
    // All sides own their event, as a runtime hands it over: its copy is made outside of the measurement, and freed inside.
    group.bench_function(criterion::BenchmarkId::new("message_bare", SIZE), |bencher| {
        bencher.iter_batched(|| payload.clone(), |payload| slim(&payload), BatchSize::SmallInput);
    });
    group.bench_function(criterion::BenchmarkId::new("message_event", SIZE), |bencher| {
        let parse = |payload: String| black_box(typed(&payload).request_context.event_type);
        bencher.iter_batched(|| payload.clone(), parse, BatchSize::SmallInput);
    });
    group.bench_function(criterion::BenchmarkId::new("message_value", SIZE), |bencher| {
        let parse = |payload: String| serde_json::from_str::<Value>(&payload).expect("the event is JSON");
        bencher.iter_batched(|| payload.clone(), parse, BatchSize::SmallInput);
    });
    group.finish();
}

fn typed(payload: &str) -> WebSocketEvent<'_> {
    serde_json::from_str(payload).expect("the event is JSON")
}

fn slim(payload: &str) -> usize {
    let event: SlimEvent<'_> = serde_json::from_str(payload).expect("the event is JSON");
    let context = &event.request_context;
    black_box((context.route_key, context.connection_id, context.request_id));
    event.body.len()
}

/// Processor time of this thread, printed as any other time is.
struct ThreadTime;

impl Measurement for ThreadTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::try_from(time).expect("processor time is not negative")
    }
    fn end(&self, start: Duration) -> Duration {
        self.start() - start
    }
    fn add(&self, left: &Duration, right: &Duration) -> Duration {
        *left + *right
    }
    fn zero(&self) -> Duration {
        Duration::ZERO
    }
    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }
    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(ThreadTime);
    targets = message
}
criterion_main!(benches);
