//! What a message costs, counted: the same on every machine, however busy. The times are in `benches`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use dunlin_handler::{Answer, Connection, HandlerError, Json, RawEvent, Router, testing::TestEvent};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use tower::Service;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// Counts what this thread allocates.
struct Counting;

#[expect(unsafe_code, reason = "an allocator is unsafe by its trait; this one hands everything on")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) }
    }
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        unsafe { System.realloc(memory, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Deserialize, Serialize)]
struct Ids {
    device_ids: Vec<String>,
}

async fn ids(_: Connection, Json(ids): Json<Ids>) -> Result<Json<Ids>, HandlerError> {
    Ok(Json(ids))
}

async fn ping() -> &'static str {
    "pong"
}

#[track_caller]
fn check(route_key: &str, body: &str, allocations_max: usize) {
    let mut router = Router::new().route("ids", ids).route("ping", ping).default(ping);
    let mut call = |event: RawEvent| -> Answer {
        let Ok(answer) = router.call(event).now_or_never().expect("nothing here waits");
        answer
    };
    let events: Vec<RawEvent> = (0..2).map(|_| TestEvent::message(route_key, body).into()).collect();
    for event in events {
        let before = ALLOCATIONS.get();
        let answer = call(event);
        let allocations = ALLOCATIONS.get() - before;
        assert!(answer.as_str().starts_with(r#"{"statusCode":200,"#), "{}", answer.as_str());
        assert!(allocations <= allocations_max, "{route_key}: {allocations} allocations");
    }
}

#[test]
fn a_message_costs_no_more_allocations_than_it_did() {
    // The handler's future; its text; the answer.
    check("ping", "{}", 3);
    // The body without its escapes, what it is parsed into (3), the future, the reply, the answer.
    check("ids", r#"{"action":"ids","device_ids":["dev-1","dev-2"]}"#, 7);
}
