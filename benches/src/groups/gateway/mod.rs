//! The gateway against the barest servers that could do its work, over loopback.
//!
//! Each server has a thread of its own, whose processor time is counted; the clients are plain blocking sockets in the thread of
//! the benchmark, the same for both sides, and compare every byte that they get.

mod backlog;
mod bare;
mod client;
mod connect;
mod echo;
mod idle;
mod post;
mod push;
mod server;
mod subject;

pub(crate) use idle::serve_if_asked;

use crate::pairs::Group;

/// Bytes of a message.
const PAYLOAD_BYTES: usize = 128;

pub(super) fn fill(group: &mut Group) {
    echo::fill(group);
    connect::fill(group);
    push::fill(group);
    backlog::fill(group);
    post::fill(group);
    idle::fill(group);
}

/// A message: text of every letter, so that a byte in the wrong place shows.
fn payload(length: usize) -> String {
    ('a'..='z').cycle().take(length).collect()
}
