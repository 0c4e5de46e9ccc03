use std::hint::black_box;

use dunlin_bench_data::{list_body, message_event};
use dunlin_events::WebSocketEvent;

use crate::path::Workload;

/// A message event, parsed and printed again.
pub(super) fn parse() -> Box<dyn Workload> {
    let text = message_event("set_notify_list", &list_body(2));
    Box::new(move || {
        let event: WebSocketEvent<'_> =
            serde_json::from_str(black_box(&text)).expect("the sample is an event");
        let printed = serde_json::to_string(&event).expect("an event can be written");
        assert_eq!(printed.len(), text.len());
    })
}
