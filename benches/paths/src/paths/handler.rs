use std::hint::black_box;

use dunlin_bench_data::{list_body, message_event};
use dunlin_handler::{Connection, HandlerError, Json, RawEvent, Router};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use tower::Service;

use crate::path::Workload;

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

/// An event through a router to a typed handler, and its answer.
pub(super) fn message() -> Box<dyn Workload> {
    let payload = message_event("set_notify_list", &list_body(2));
    let mut router = Router::new()
        .connect(other)
        .disconnect(other)
        .default(other)
        .route("ping", other)
        .route("set_notify_list", set_notify_list);
    Box::new(move || {
        let event = RawEvent::new(black_box(payload.as_str()));
        let Ok(answer) = router.call(event).now_or_never().expect("nothing in this app waits");
        assert!(answer.as_str().contains(r#"[\"dev-1\",\"dev-2\"]"#), "{}", answer.as_str());
    })
}
