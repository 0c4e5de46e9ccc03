//! End to end: real programs as processes, seen from outside, by the addresses of the ready file.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails where it stands")]

mod addresses;
#[cfg(feature = "browser")]
mod browser;
mod client;
mod command_line;
mod controlled;
mod dead_letters;
mod doors;
mod follow;
mod glibc;
mod guarded;
mod guide;
mod hostile;
mod invoke;
#[cfg(any(feature = "python3", feature = "node"))]
mod languages;
mod lifecycle;
mod management;
mod many;
mod messages;
#[cfg(feature = "browser")]
mod reports;
mod roles;
mod stack;
