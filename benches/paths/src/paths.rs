//! Every path, by crate.

mod events;
mod fanout;
mod gateway;
mod handler;
mod iot_rules;
mod management;
mod stack;
mod store;

use crate::path::Entry;

/// All of them, in the order of the packages in ARCHITECTURE.md.
pub(crate) const ALL: &[Entry] = &[
    Entry { name: "events/parse", count_operations: 1_000, trace_operations: 200, make: events::parse },
    Entry { name: "handler/message", count_operations: 1_000, trace_operations: 100, make: handler::message },
    Entry {
        name: "connection_store/replace",
        count_operations: 500,
        trace_operations: 50,
        make: store::replace,
    },
    Entry {
        name: "connection_store/enumerate",
        count_operations: 100,
        trace_operations: 10,
        make: store::enumerate,
    },
    Entry { name: "management/post", count_operations: 500, trace_operations: 50, make: management::post },
    Entry { name: "fanout/publish", count_operations: 200, trace_operations: 20, make: fanout::publish },
    Entry { name: "stack/parse", count_operations: 10, trace_operations: 10, make: stack::parse },
    Entry { name: "gateway/echo", count_operations: 500, trace_operations: 100, make: gateway::echo },
    Entry { name: "gateway/event", count_operations: 500, trace_operations: 100, make: gateway::event },
    Entry {
        name: "gateway/post_to_frame",
        count_operations: 500,
        trace_operations: 50,
        make: gateway::post_to_frame,
    },
    Entry { name: "iot_rules/add", count_operations: 1_000, trace_operations: 200, make: iot_rules::add },
];
