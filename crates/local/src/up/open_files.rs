//! Room for connections: each of them is an open file, and many shells allow a process 1,024.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files that a stack allows itself at most: ours, more than a client machine has ports to connect from.
/// Functions do not inherit it: they have the service's own limit.
const OPEN_FILES_MAX: u64 = 65_536;

/// Open files that clients do not get: for tables, queues, functions and their events, and the clients of the broker. Ours: what a
/// thousand function processes take at two each; of a small limit a quarter.
const RESERVED_MAX: u64 = 2_048;

/// Sockets that the gateway may hold under the limit of this process.
pub(super) fn sockets_max() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(OPEN_FILES_MAX);
    usize::try_from(limit - RESERVED_MAX.min(limit / 4)).unwrap_or(usize::MAX)
}

/// Raises the limit as far as an ordinary user may, up to [`OPEN_FILES_MAX`].
pub(super) fn allow() {
    let limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.unwrap_or(OPEN_FILES_MAX).min(OPEN_FILES_MAX);
    // Without a limit there is none to raise.
    let Some(current) = limit.current.filter(|&current| current < allowed) else { return };
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), maximum: limit.maximum })
    {
        tracing::warn!(
            "at most {current} open files, and so fewer connections: the limit cannot be raised: {error}"
        );
    }
}
