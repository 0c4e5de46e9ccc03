//! Runs a target on many inputs, and says which one it fails on, or never comes back from.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{RecvTimeoutError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use crate::Target;

/// Far above what one input takes on a busy machine without optimisation; one that takes longer hangs.
const INPUT_TIME_MAX: Duration = Duration::from_secs(30);

/// What is being run, and since when.
type Current = Arc<Mutex<(Instant, Vec<u8>)>>;

/// Runs the target on every input, in a thread of its own, and returns how many there were.
///
/// # Errors
/// The input on which it panicked, or from which it did not come back within 30 s, as a literal of Rust.
pub fn run(target: Target, inputs: impl Iterator<Item = Vec<u8>> + Send + 'static) -> Result<u64, String> {
    let current: Current = Arc::new(Mutex::new((Instant::now(), Vec::new())));
    let (ended, end) = sync_channel(1);
    let shared = Arc::clone(&current);
    thread::spawn(move || {
        let mut count = 0;
        for input in inputs {
            *shared.lock().unwrap_or_else(PoisonError::into_inner) = (Instant::now(), input.clone());
            if catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).is_err() {
                let _ = ended.send(Err(failure(target, "fails", &input)));
                return;
            }
            count += 1;
        }
        let _ = ended.send(Ok(count));
    });
    loop {
        match end.recv_timeout(Duration::from_secs(1)) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(format!("{}: the thread ended in the middle", target.name));
            }
            Err(RecvTimeoutError::Timeout) => {
                let current = current.lock().unwrap_or_else(PoisonError::into_inner);
                if current.0.elapsed() > INPUT_TIME_MAX {
                    return Err(failure(target, "does not come back from", &current.1));
                }
            }
        }
    }
}

fn failure(target: Target, what: &str, input: &[u8]) -> String {
    format!("{} {what} b\"{}\"", target.name, input.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TARGETS;

    #[test]
    fn the_input_that_fails_is_named() {
        let target = Target { name: "picky", run: |bytes| assert!(!bytes.contains(&7)), ..TARGETS[0] };
        let inputs = |inputs: &'static [&'static [u8]]| inputs.iter().map(|input| input.to_vec());
        assert_eq!(run(target, inputs(&[b"a", b""])), Ok(2));
        assert_eq!(
            run(target, inputs(&[b"a", b"\x07\"x", b"b"])),
            Err("picky fails b\"\\x07\\\"x\"".to_owned())
        );
    }
}
