//! The program itself, against small targets in this process.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod bad_input;
mod bad_target;
mod chat;
mod doors;
mod echo;
mod honest;
mod manifests;
mod merge;
mod program;
mod stack;
mod swarm;
