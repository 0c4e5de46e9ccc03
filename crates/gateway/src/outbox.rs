use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use futures_util::task::AtomicWaker;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::closing::CloseCause;

/// What waits to be written to one client: a bounded queue of text messages, and at its end perhaps a close.
///
/// Any task may put something in; only the connection's own task takes out. Smaller than a channel, which
/// allocates room for dozens of messages as soon as there is one.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    reader: AtomicWaker,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Utf8Bytes>,
    /// Of the whole queue, with [`MESSAGE_OVERHEAD_BYTES`] each.
    bytes: usize,
    close: Option<CloseCause>,
    ended: bool,
}

/// What a message counts besides its payload, so that the bound holds for empty messages too.
const MESSAGE_OVERHEAD_BYTES: usize = 64;

/// Route responses and error frames may exceed the bound for posts by this factor: their number is bounded by the messages that the
/// client was allowed to send, and reading from it stops as soon as the bound is reached.
const ANSWER_FACTOR: usize = 4;

/// Why a message was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// The client does not read what it gets.
    Full,
    /// The connection is closing or gone.
    Closed,
}

impl Outbox {
    /// Puts in a message that came over the management API. An empty outbox takes a message of any size.
    pub(crate) fn post(&self, text: Utf8Bytes, bytes_max: usize) -> Result<(), Refused> {
        self.push(text, bytes_max)
    }

    /// Puts in a route response or an error frame.
    pub(crate) fn answer(&self, text: Utf8Bytes, bytes_max: usize) -> Result<(), Refused> {
        self.push(text, bytes_max.saturating_mul(ANSWER_FACTOR))
    }

    fn push(&self, text: Utf8Bytes, bytes_max: usize) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.ended || state.close.is_some() {
            return Err(Refused::Closed);
        }
        let bytes = text.len() + MESSAGE_OVERHEAD_BYTES;
        if state.bytes > 0 && state.bytes + bytes > bytes_max {
            return Err(Refused::Full);
        }
        state.bytes += bytes;
        state.queue.push_back(text);
        drop(state);
        self.reader.wake();
        Ok(())
    }

    /// Asks for the connection to be closed once what waits has been written. The first cause stands.
    pub(crate) fn close(&self, cause: CloseCause) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.ended || state.close.is_some() {
            return Err(Refused::Closed);
        }
        state.close = Some(cause);
        drop(state);
        self.reader.wake();
        Ok(())
    }

    /// Takes nothing more, and forgets what waits.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.queue = VecDeque::new();
        state.bytes = 0;
    }

    /// The next message to write.
    pub(crate) fn pop(&self) -> Option<Utf8Bytes> {
        let mut state = self.lock();
        let text = state.queue.pop_front()?;
        state.bytes -= text.len() + MESSAGE_OVERHEAD_BYTES;
        Some(text)
    }

    /// Why the connection is to be closed, if it is.
    pub(crate) fn close_cause(&self) -> Option<CloseCause> {
        self.lock().close
    }

    /// Whether a post of any size would be refused.
    pub(crate) fn is_full(&self, bytes_max: usize) -> bool {
        self.lock().bytes >= bytes_max
    }

    /// Wakes `waker` at the next change.
    pub(crate) fn register(&self, waker: &Waker) {
        self.reader.register(waker);
    }

    /// Wakes the connection's task for another reason.
    pub(crate) fn wake(&self) {
        self.reader.wake();
    }

    /// A panic elsewhere leaves a queue that is still a queue.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posts_are_bounded_and_answers_less_so() {
        let outbox = Outbox::default();
        let text = || Utf8Bytes::from("x".repeat(36));
        assert_eq!(outbox.post("y".repeat(500).into(), 300), Ok(()), "the first one always fits");
        assert_eq!(outbox.post(text(), 300), Err(Refused::Full));
        assert!(outbox.is_full(300));
        assert_eq!(outbox.answer(text(), 300), Ok(()));
        outbox.pop().unwrap();
        assert_eq!(outbox.post(text(), 300), Ok(()));
        assert_eq!(outbox.post(text(), 300), Ok(()), "exactly at the bound");
        assert_eq!(outbox.post(Utf8Bytes::default(), 300), Err(Refused::Full), "empty messages count too");
        let answers = (0..100).take_while(|_| outbox.answer(text(), 300).is_ok()).count();
        assert_eq!(answers, 9);
        for _ in 0..12 {
            outbox.pop().unwrap();
        }
        assert_eq!(outbox.pop(), None);
        assert_eq!(outbox.lock().bytes, 0);
    }

    #[test]
    fn nothing_comes_after_a_close() {
        let outbox = Outbox::default();
        outbox.post("before".into(), 300).unwrap();
        assert_eq!(outbox.close(CloseCause::Deleted), Ok(()));
        assert_eq!(outbox.close(CloseCause::Idle), Err(Refused::Closed));
        assert_eq!(outbox.post("after".into(), 300), Err(Refused::Closed));
        assert_eq!(outbox.close_cause(), Some(CloseCause::Deleted));
        assert_eq!(outbox.pop().as_deref(), Some("before"));
        outbox.end();
        assert_eq!(outbox.answer("after".into(), 300), Err(Refused::Closed));
    }
}
