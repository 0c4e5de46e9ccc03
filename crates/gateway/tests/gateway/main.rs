//! The gateway from outside: real sockets, real WebSocket clients, and a back end that plays a script.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside of test functions")]

mod access_log;
mod authorizing;
mod certificates;
mod content;
mod control;
mod domains;
mod events;
mod faults;
mod guards;
mod handshake;
mod harness;
mod integrations;
mod lifecycle;
mod limits;
mod management;
mod messages;
mod metrics;
mod throttling;
mod tls;
