//! Room for connections: each of them is an open file, and many shells allow a process 1,024.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files that a stack allows itself at most: ours, more than a client machine has ports to connect from.
/// Functions do not inherit it: they have the service's own limit.
const OPEN_FILES_MAX: u64 = 65_536;

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
