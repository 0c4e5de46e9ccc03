//! The suite against the local stack; and against the local stack broken, one thing at a time, to see each case fail.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails where it stands")]

mod breaks;
mod local;
mod program;
mod proxy;
mod selftest;
mod stack;
