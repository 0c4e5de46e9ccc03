use std::{
    io,
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use dunlin_events::limits::LOG_TAIL_BYTES_MAX;
use rustix::io::Errno;
use tokio::{net::unix::pipe::Receiver, sync::mpsc};

use crate::{
    RequestId,
    limits::{LOG_LINE_BYTES_MAX, LOG_READ_BYTES_MAX},
};

/// The `tracing` target of lines that functions print, so that a filter can tell them from the host's own.
pub const LOG_TARGET: &str = "dunlin::function";

/// The `tracing` target of the lines with which the host accompanies an invocation, such as `REPORT`. It is below
/// [`LOG_TARGET`], so that a filter reaches both together or each alone.
pub const PLATFORM_LOG_TARGET: &str = "dunlin::function::platform";

/// Where lines go besides `tracing`. The channel's capacity is the bound: a line that finds it full is dropped
/// and counted, since a function never waits for whoever reads its output.
pub type LogSender = mpsc::Sender<LogLine>;

/// One line of a function's log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLine {
    /// Who wrote it.
    pub source: LogSource,
    /// The function's name.
    pub function: Arc<str>,
    /// The process that printed it, or that it is about.
    pub pid: u32,
    /// The invocation that the process was at, or had last been at; `None` before its first, and if the process takes
    /// several at a time.
    pub request_id: Option<RequestId>,
    /// The line without its end; at most 16 KiB, longer ones are split.
    pub text: String,
}

/// Who wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSource {
    /// The function printed it.
    Function,
    /// The host, as the service would: see [`PlatformLines`](crate::PlatformLines).
    Platform,
}

/// What a process prints, cut into lines that know which invocation they belong to.
///
/// Standard output and standard error are one pipe, as they are one log stream on the service: two would lose the order
/// of their lines. The pipe is read by a task of its own, and also when an invocation begins and ends: what a
/// process writes before it answers is in the pipe before its answer is on the socket, so the look at the end finds it.
pub(crate) struct Output {
    function: Arc<str>,
    pid: u32,
    lines: Option<LogSender>,
    lines_dropped: Arc<AtomicU64>,
    pipe: Receiver,
    state: Mutex<State>,
}

struct State {
    request_id: Option<RequestId>,
    keep_tail: bool,
    tail: Vec<u8>,
    /// The beginning of a line whose end is not there yet.
    partial: Vec<u8>,
    buffer: Box<[u8]>,
    closed: bool,
}

enum Look {
    /// The pipe is empty for now.
    Empty,
    /// There may be more.
    More,
    /// Nobody can write to it any more.
    Closed,
}

impl Output {
    pub(crate) fn new(
        function: Arc<str>,
        pid: u32,
        pipe: OwnedFd,
        lines: Option<LogSender>,
        lines_dropped: Arc<AtomicU64>,
    ) -> io::Result<Self> {
        let state = State {
            request_id: None,
            keep_tail: true,
            tail: Vec::new(),
            partial: Vec::new(),
            buffer: vec![0; 8 * 1024].into(),
            closed: false,
        };
        // Makes the reading end non-blocking; the process keeps an ordinary writing end.
        let pipe = Receiver::from_owned_fd(pipe)?;
        Ok(Self { function, pid, lines, lines_dropped, pipe, state: Mutex::new(state) })
    }

    /// Reads the pipe until it is closed. To be run as a task and dropped when the environment has ended.
    pub(crate) async fn pump(&self) -> io::Result<()> {
        loop {
            self.pipe.readable().await?;
            let looked = self.pipe.try_io(|| match self.look(&mut self.state()) {
                Look::Empty => Err(io::ErrorKind::WouldBlock.into()),
                looked => Ok(looked),
            });
            if matches!(looked, Ok(Look::Closed)) {
                return Ok(());
            }
        }
    }

    /// From here on, lines belong to this invocation. Its end is kept only if somebody will ask for it.
    pub(crate) fn begin(&self, request_id: &RequestId, keep_tail: bool) {
        let mut state = self.state();
        self.look(&mut state);
        state.request_id = Some(request_id.clone());
        state.keep_tail = keep_tail;
        state.tail.clear();
    }

    /// The end of what was printed since [`begin`](Self::begin), or since the start; at most 4 KB.
    pub(crate) fn tail(&self) -> Vec<u8> {
        let mut state = self.state();
        self.look(&mut state);
        let mut tail = std::mem::take(&mut state.tail);
        tail.drain(..tail.len().saturating_sub(LOG_TAIL_BYTES_MAX));
        tail
    }

    /// Passes on what has been printed so far.
    pub(crate) fn catch_up(&self) {
        self.look(&mut self.state());
    }

    /// A line of the host's own in this process's log.
    pub(crate) fn platform(&self, text: String, request_id: Option<&RequestId>) {
        // The id is in the text.
        tracing::info!(target: PLATFORM_LOG_TARGET, function = &*self.function, "{text}");
        self.send(LogSource::Platform, text, request_id.cloned());
    }

    /// Passes on what is left when the process has ended, a line without an end too.
    pub(crate) fn finish(&self) {
        let mut state = self.state();
        self.look(&mut state);
        self.flush(&mut state);
    }

    /// Reads until the pipe is empty, or as much as a pipe holds.
    fn look(&self, state: &mut State) -> Look {
        let mut left = LOG_READ_BYTES_MAX;
        while left > 0 && !state.closed {
            match rustix::io::read(&self.pipe, &mut state.buffer[..]) {
                Ok(0) => {
                    state.closed = true;
                    self.flush(state);
                }
                Ok(read) => {
                    left = left.saturating_sub(read);
                    self.split(state, read);
                }
                Err(Errno::INTR) => {}
                Err(_) => return Look::Empty,
            }
        }
        if state.closed { Look::Closed } else { Look::More }
    }

    /// Cuts the first `read` bytes of the buffer into lines.
    fn split(&self, state: &mut State, read: usize) {
        let buffer = std::mem::take(&mut state.buffer);
        for piece in buffer[..read].split_inclusive(|&byte| byte == b'\n') {
            let (mut text, ended) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            while let Some((fits, rest)) = text.split_at_checked(LOG_LINE_BYTES_MAX - state.partial.len())
                && !rest.is_empty()
            {
                state.partial.extend_from_slice(fits);
                self.emit(state);
                text = rest;
            }
            state.partial.extend_from_slice(text);
            if ended {
                self.emit(state);
            }
        }
        state.buffer = buffer;
    }

    fn flush(&self, state: &mut State) {
        if !state.partial.is_empty() {
            self.emit(state);
        }
    }

    fn emit(&self, state: &mut State) {
        let line = std::mem::take(&mut state.partial);
        if state.keep_tail {
            state.tail.extend_from_slice(&line);
            state.tail.push(b'\n');
            if state.tail.len() > 2 * LOG_LINE_BYTES_MAX {
                let surplus = state.tail.len() - LOG_TAIL_BYTES_MAX;
                state.tail.drain(..surplus);
            }
        }
        let text = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(&line)).into_owned();
        let request_id = state.request_id.as_ref().map(RequestId::as_str);
        tracing::info!(target: LOG_TARGET, function = &*self.function, request_id, "{text}");
        self.send(LogSource::Function, text, state.request_id.clone());
    }

    fn send(&self, source: LogSource, text: String, request_id: Option<RequestId>) {
        let Some(lines) = &self.lines else { return };
        let line = LogLine { source, function: Arc::clone(&self.function), pid: self.pid, request_id, text };
        if let Err(mpsc::error::TrySendError::Full(_)) = lines.try_send(line) {
            self.lines_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeWriter, Write, pipe};

    use super::*;

    fn output(capacity: usize) -> (Output, PipeWriter, mpsc::Receiver<LogLine>) {
        let (reader, writer) = pipe().unwrap();
        let (sender, lines) = mpsc::channel(capacity);
        (Output::new("f".into(), 7, reader.into(), Some(sender), Arc::default()).unwrap(), writer, lines)
    }

    fn id(seed: u8) -> RequestId {
        let random: crate::RandomBytes = Arc::new(move |buffer| buffer.fill(seed));
        RequestId::random(&random)
    }

    #[tokio::test]
    async fn lines_belong_to_the_invocation_during_which_they_were_written() {
        let (output, mut pipe, mut lines) = output(16);
        pipe.write_all(b"init\n").unwrap();
        output.begin(&id(1), true);
        pipe.write_all(b"one\r\ntwo\nunfin").unwrap();
        assert_eq!(output.tail(), b"one\r\ntwo\n");
        pipe.write_all(b"ished\n").unwrap();
        output.begin(&id(2), true);
        pipe.write_all(b"last").unwrap();
        output.finish();
        assert_eq!(output.tail(), b"last\n");
        let seen: Vec<_> =
            std::iter::from_fn(|| lines.try_recv().ok()).map(|line| (line.request_id, line.text)).collect();
        let expected = [
            (None, "init"),
            (Some(id(1)), "one"),
            (Some(id(1)), "two"),
            (Some(id(1)), "unfinished"),
            (Some(id(2)), "last"),
        ];
        assert_eq!(seen, expected.map(|(id, text)| (id, text.to_owned())));
    }

    #[tokio::test]
    async fn a_long_line_is_split_and_the_tail_is_bounded() {
        let (output, mut pipe, mut lines) = output(16);
        let long = "x".repeat(LOG_LINE_BYTES_MAX * 2 + 5);
        pipe.write_all(long.as_bytes()).unwrap();
        pipe.write_all(b"\n").unwrap();
        let tail = output.tail();
        assert_eq!(tail.len(), LOG_TAIL_BYTES_MAX);
        assert!(tail.ends_with(b"xxx\n"));
        let lengths: Vec<_> =
            std::iter::from_fn(|| lines.try_recv().ok()).map(|line| line.text.len()).collect();
        assert_eq!(lengths, [LOG_LINE_BYTES_MAX, LOG_LINE_BYTES_MAX, 5]);
    }

    #[tokio::test]
    async fn a_full_channel_drops_lines_and_counts_them() {
        let (output, mut pipe, mut lines) = output(1);
        pipe.write_all(b"1\n2\n3\n").unwrap();
        output.finish();
        assert_eq!(output.lines_dropped.load(Ordering::Relaxed), 2);
        assert_eq!(lines.try_recv().unwrap().text, "1");
    }
}
