//! Clients that mean no good: floods, slowness, ambiguity, old TLS, and what may not get into a log.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside of test functions")]

#[path = "../gateway/certificates.rs"]
#[expect(dead_code, reason = "another target uses all of it")]
mod certificates;
#[path = "../gateway/harness.rs"]
#[expect(dead_code, reason = "another target uses all of it")]
mod harness;

mod flood;
mod logs;
mod slow;
mod smuggling;
mod tls;
