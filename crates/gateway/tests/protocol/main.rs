//! The socket against RFC 6455, byte by byte: tables of what a client sends and what has to come back.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside of test functions")]

#[path = "../gateway/harness.rs"]
#[expect(dead_code, reason = "the other target uses all of it")]
mod harness;

mod case;
mod closing;
mod control;
mod fragments;
mod framing;
mod handshake;
mod limits;
mod text;
