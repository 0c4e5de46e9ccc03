//! The host with real function processes: `tests/probe` is the function.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that meets something else has failed")]

mod support;

mod ends;
mod events;
mod extensions;
mod failures;
mod hostile;
mod initialising;
mod invoke_api;
mod invoking;
mod printing;
mod protocol;
mod throttling;
