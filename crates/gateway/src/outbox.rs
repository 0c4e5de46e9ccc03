use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    mem,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, Bytes};
use futures_util::task::AtomicWaker;
use tokio::{io::AsyncWrite, net::tcp::OwnedWriteHalf};

use crate::{closing::CloseCause, frames::Frames};

/// The way to one client: a bounded queue of messages, at its end perhaps a close, and the writing side of a plain socket.
///
/// Any task may put something in. While nothing waits, whoever puts something in writes it at once: the connection's own task
/// is woken only for what the socket does not take, and then writes all of it together.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    reader: AtomicWaker,
}

/// In the order in which it stands in memory, as in [`Connection`](crate::connection::Connection).
#[derive(Debug, Default)]
#[repr(C)]
struct State {
    close: Option<CloseCause>,
    ended: bool,
    is_frozen: bool,
    /// Whether the first of the queue is partly written, so that nothing may come before the rest of it.
    is_begun: bool,
    /// Of the whole queue, with [`MESSAGE_OVERHEAD_BYTES`] each.
    bytes: usize,
    /// From the start of the connection's task to its end; none for TLS, whose stream does not come apart.
    writer: Option<OwnedWriteHalf>,
    queue: VecDeque<Bytes>,
    /// The payloads of pings that have no place in the queue yet.
    pings: Vec<Box<[u8]>>,
    /// How many of the queue are up to and with pongs.
    pong_place: usize,
}

/// What a message counts besides its frames, so that the bound holds for empty messages too. With the heads of four frames, which the
/// largest message has, it is 64.
const MESSAGE_OVERHEAD_BYTES: usize = 48;

/// Route responses and error frames may exceed the bound for posts by this factor: their number is bounded by the messages that the
/// client was allowed to send, and reading from it stops as soon as the bound is reached.
const ANSWER_FACTOR: usize = 4;

/// Messages for one system call. Ours: far beyond, a call costs next to nothing for each of them.
const WRITE_BATCH: usize = 64;

/// Pings that are answered together: ours, more than any client sends before it waits.
const PINGS_MAX: usize = 16;

/// Why a message was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// The client does not read what it gets.
    Full,
    /// The connection is closing or gone.
    Closed,
}

impl Outbox {
    /// Writes a message that came over the management API, or lets it wait. An empty outbox takes a message of any size.
    pub(crate) fn post(&self, message: Frames, bytes_max: usize) -> Result<(), Refused> {
        self.send(message, bytes_max)
    }

    /// Writes a route response or an error frame, or lets it wait.
    pub(crate) fn answer(&self, message: Frames, bytes_max: usize) -> Result<(), Refused> {
        self.send(message, bytes_max.saturating_mul(ANSWER_FACTOR))
    }

    /// The same for the connection's own task, which writes all its answers together when it has read what there was.
    pub(crate) fn answer_later(&self, message: Frames, bytes_max: usize) -> Result<(), Refused> {
        let mut state = self.lock();
        state.check(&message, bytes_max.saturating_mul(ANSWER_FACTOR))?;
        state.push(message.into_bytes());
        Ok(())
    }

    fn send(&self, message: Frames, bytes_max: usize) -> Result<(), Refused> {
        let mut state = self.lock();
        state.check(&message, bytes_max)?;
        let mut bytes = message.into_bytes();
        let is_idle = state.queue.is_empty() && state.pings.is_empty() && !state.is_frozen;
        if let Some(writer) = state.writer.as_ref().filter(|_| is_idle) {
            // An error is for the connection's task, which will meet it.
            let written = writer.try_write(&bytes).unwrap_or(0);
            if written == bytes.len() {
                return Ok(());
            }
            bytes.advance(written);
            state.is_begun = written > 0;
        }
        state.push(bytes);
        drop(state);
        self.reader.wake();
        Ok(())
    }

    /// Answers a ping, whose payload has at most 125 bytes. Of many that a client sends without reading the answers, the last one
    /// counts (RFC 6455, section 5.5.3).
    pub(crate) fn pong(&self, payload: &[u8]) {
        let mut state = self.lock();
        if state.ended {
            return;
        }
        if state.pings.len() >= PINGS_MAX {
            state.pings.clear();
        }
        state.pings.push(payload.into());
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

    /// The connection neither reads nor writes until it thaws: a fault that was asked for.
    pub(crate) fn freeze(&self) {
        self.lock().is_frozen = true;
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.lock().is_frozen = false;
        self.reader.wake();
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.lock().is_frozen
    }

    /// From now on messages are written at once.
    pub(crate) fn open(&self, writer: OwnedWriteHalf) {
        self.lock().writer = Some(writer);
    }

    /// Takes nothing more.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
    }

    /// Puts a close frame behind everything that waits; after it the outbox takes nothing.
    pub(crate) fn end_with(&self, close: Frames) {
        let mut state = self.lock();
        state.ended = true;
        state.push(close.into_bytes());
    }

    /// Takes nothing more, forgets what waits, and lets go of the socket.
    pub(crate) fn discard(&self) {
        *self.lock() = State { ended: true, ..State::default() };
    }

    /// Writes what waits, as much as possible with one system call.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        match state.writer.take() {
            None => Poll::Ready(Ok(())),
            Some(mut writer) => {
                let written = state.poll_write(cx, &mut writer);
                state.writer = Some(writer);
                written
            }
        }
    }

    /// The same over a stream that this outbox does not have.
    pub(crate) fn poll_write_to(
        &self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        ready!(self.lock().poll_write(cx, stream))?;
        Pin::new(stream).poll_flush(cx)
    }

    /// Tells the client that nothing more comes.
    pub(crate) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lock().writer.as_mut().map_or(Poll::Ready(Ok(())), |writer| Pin::new(writer).poll_shutdown(cx))
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

impl State {
    fn check(&self, message: &Frames, bytes_max: usize) -> Result<(), Refused> {
        if self.ended || self.close.is_some() {
            return Err(Refused::Closed);
        }
        let is_full = self.bytes > 0 && self.bytes + message.len() + MESSAGE_OVERHEAD_BYTES > bytes_max;
        if is_full { Err(Refused::Full) } else { Ok(()) }
    }

    fn push(&mut self, bytes: Bytes) {
        self.bytes += bytes.len() + MESSAGE_OVERHEAD_BYTES;
        self.queue.push_back(bytes);
    }

    /// Gives pongs their place: before everything that is not begun. Only when those before are written, so that they do not
    /// pile up.
    fn place_pongs(&mut self) {
        if self.pings.is_empty() || self.pong_place > 0 {
            return;
        }
        let bytes = Frames::pongs(mem::take(&mut self.pings).iter().map(|payload| &**payload)).into_bytes();
        self.bytes += bytes.len() + MESSAGE_OVERHEAD_BYTES;
        let place = usize::from(self.is_begun);
        self.queue.insert(place, bytes);
        self.pong_place = place + 1;
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        loop {
            self.place_pongs();
            if self.queue.is_empty() {
                // Idle connections have no queue.
                self.queue = VecDeque::new();
                return Poll::Ready(Ok(()));
            }
            let mut slices = [IoSlice::new(&[]); WRITE_BATCH];
            let mut count = 0;
            for (slice, bytes) in slices.iter_mut().zip(&self.queue) {
                *slice = IoSlice::new(bytes);
                count += 1;
            }
            let written = ready!(Pin::new(&mut *stream).poll_write_vectored(cx, &slices[..count]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
    }

    /// Takes these bytes off the queue.
    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(front) = self.queue.front_mut() {
            if written < front.len() {
                front.advance(written);
                self.is_begun |= written > 0;
                return;
            }
            written -= front.len();
            self.queue.pop_front();
            self.bytes -= MESSAGE_OVERHEAD_BYTES;
            self.is_begun = false;
            self.pong_place = self.pong_place.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncReadExt;

    use super::*;

    /// A message of this many bytes, its head included.
    fn message(length: usize) -> Frames {
        Frames::text(&"x".repeat(length - 2))
    }

    /// The payloads of what waits, taken off as if the socket took a few bytes at a time.
    async fn drain(outbox: &Outbox) -> Vec<Vec<u8>> {
        let (mut client, mut stream) = tokio::io::duplex(7);
        let reading = tokio::spawn(async move {
            let mut all = Vec::new();
            client.read_to_end(&mut all).await.unwrap();
            all
        });
        poll_fn(|cx| outbox.poll_write_to(cx, &mut stream)).await.unwrap();
        drop(stream);
        let mut all = reading.await.unwrap();
        let mut payloads = Vec::new();
        while let [_, length, ..] = all.as_slice() {
            let rest = all.split_off(2 + usize::from(*length));
            payloads.push(all.split_off(2));
            all = rest;
        }
        payloads
    }

    #[tokio::test]
    async fn posts_are_bounded_and_answers_less_so() {
        let outbox = Outbox::default();
        let text = || message(52);
        assert_eq!(outbox.post(message(120), 100), Ok(()), "the first one always fits");
        assert_eq!(outbox.post(text(), 100), Err(Refused::Full));
        assert!(outbox.is_full(100));
        assert_eq!(outbox.answer(text(), 100), Ok(()));
        assert_eq!(drain(&outbox).await.len(), 2);
        assert!(!outbox.is_full(1));
        for _ in 0..3 {
            assert_eq!(outbox.post(text(), 300), Ok(()), "up to the bound and exactly at it");
        }
        assert_eq!(outbox.post(message(2), 300), Err(Refused::Full), "empty messages count too");
        let answers = (0..100).take_while(|_| outbox.answer_later(text(), 300).is_ok()).count();
        assert_eq!(answers, 9);
        assert_eq!(drain(&outbox).await.len(), 12);
        assert_eq!(outbox.lock().bytes, 0);
    }

    #[tokio::test]
    async fn nothing_comes_after_a_close() {
        let outbox = Outbox::default();
        outbox.post(Frames::text("before"), 300).unwrap();
        assert_eq!(outbox.close(CloseCause::Deleted), Ok(()));
        assert_eq!(outbox.close(CloseCause::Idle), Err(Refused::Closed));
        assert_eq!(outbox.post(message(5), 300), Err(Refused::Closed));
        assert_eq!(outbox.close_cause(), Some(CloseCause::Deleted));
        outbox.end_with(Frames::close(Some((1000, "bye"))));
        assert_eq!(drain(&outbox).await, [&b"before"[..], b"\x03\xe8bye"]);
        assert_eq!(outbox.answer(message(5), 300), Err(Refused::Closed));
    }

    #[tokio::test]
    async fn pongs_go_first_and_are_bounded() {
        let outbox = Outbox::default();
        outbox.post(Frames::text("text"), 300).unwrap();
        outbox.pong(b"one");
        outbox.pong(b"two");
        assert_eq!(drain(&outbox).await, [&b"one"[..], b"two", b"text"]);
        for number in 0..=PINGS_MAX {
            outbox.pong(number.to_string().as_bytes());
        }
        assert_eq!(drain(&outbox).await, [PINGS_MAX.to_string().as_bytes()]);
    }

    #[test]
    fn pongs_never_break_into_a_message() {
        let outbox = Outbox::default();
        outbox.post(Frames::text("begun"), 300).unwrap();
        outbox.post(Frames::text("next"), 300).unwrap();
        let mut state = outbox.lock();
        state.advance(3);
        state.pings.push(b"one"[..].into());
        state.place_pongs();
        state.pings.push(b"two"[..].into());
        state.place_pongs();
        let heads: Vec<u8> = state.queue.iter().map(|bytes| bytes[0]).collect();
        assert_eq!(heads, [b'e', 0x8a, 0x81]);
        state.advance("egun".len() + "..one".len());
        state.place_pongs();
        assert_eq!(&state.queue[0][2..], b"two");
    }
}
