//! The suite. Every case gets a harness that was just started.

pub(crate) mod healthy;
pub(crate) mod network;
pub(crate) mod troubled;
