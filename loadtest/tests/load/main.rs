//! The program itself, against a small stack in this process: a WebSocket server and an MQTT broker.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod bad_target;
mod echo;
mod program;
mod stack;
mod swarm;
