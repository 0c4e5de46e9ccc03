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

/// Where lines go besides `tracing`. The channel's capacity is the bound: a line that finds it full is dropped
/// and counted, since a function never waits for whoever reads its output.
pub type LogSender = mpsc::Sender<LogLine>;

/// One line that a function printed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLine {
    /// The function's name.
    pub function: Arc<str>,
    /// The process that printed it.
    pub pid: u32,
    /// The invocation that the process was at, or had last been at; `None` before its first.
    pub request_id: Option<RequestId>,
    /// Where it was printed.
    pub stream: LogStream,
    /// The line without its end; at most 16 KiB, longer ones are split.
    pub text: String,
}

/// One of a process's two output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What a process prints, cut into lines that know which invocation they belong to.
///
/// The pipes are read by a task of their own, and also when an invocation begins and ends: what a process writes
/// before it answers is in the pipe before its answer is on the socket, so the look at the end finds it.
pub(crate) struct Output {
    function: Arc<str>,
    pid: u32,
    lines: Option<LogSender>,
    lines_dropped: Arc<AtomicU64>,
    state: Mutex<State>,
}

struct State {
    pipes: [Pipe; 2],
    request_id: Option<RequestId>,
    tail: Vec<u8>,
    buffer: Box<[u8]>,
}

struct Pipe {
    stream: LogStream,
    fd: Arc<Receiver>,
    /// The beginning of a line whose end is not there yet.
    partial: Vec<u8>,
    open: bool,
}

#[derive(PartialEq)]
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
        [stdout, stderr]: [OwnedFd; 2],
        lines: Option<LogSender>,
        lines_dropped: Arc<AtomicU64>,
    ) -> io::Result<Self> {
        let pipe = |stream, fd: OwnedFd| {
            // Makes the reading end non-blocking; the process keeps an ordinary writing end.
            let fd = Arc::new(Receiver::from_owned_fd(fd)?);
            Ok::<_, io::Error>(Pipe { stream, fd, partial: Vec::new(), open: true })
        };
        let state = State {
            pipes: [pipe(LogStream::Stdout, stdout)?, pipe(LogStream::Stderr, stderr)?],
            request_id: None,
            tail: Vec::new(),
            buffer: vec![0; 8 * 1024].into(),
        };
        Ok(Self { function, pid, lines, lines_dropped, state: Mutex::new(state) })
    }

    /// Reads both pipes until they are closed. To be run as a task and dropped when the environment has ended.
    pub(crate) async fn pump(&self) -> io::Result<()> {
        let [stdout, stderr] = [0, 1].map(|index| Arc::clone(&self.state().pipes[index].fd));
        tokio::try_join!(self.pump_one(0, stdout), self.pump_one(1, stderr)).map(drop)
    }

    async fn pump_one(&self, index: usize, fd: Arc<Receiver>) -> io::Result<()> {
        loop {
            fd.readable().await?;
            let looked = fd.try_io(|| match self.look(&mut self.state(), index) {
                Look::Empty => Err(io::ErrorKind::WouldBlock.into()),
                looked => Ok(looked),
            });
            if matches!(looked, Ok(Look::Closed)) {
                return Ok(());
            }
        }
    }

    /// From here on, lines belong to this invocation.
    pub(crate) fn begin(&self, request_id: &RequestId) {
        let mut state = self.state();
        self.look_at_both(&mut state);
        state.request_id = Some(request_id.clone());
        state.tail.clear();
    }

    /// The end of what was printed since [`begin`](Self::begin), or since the start.
    pub(crate) fn tail(&self) -> String {
        let mut state = self.state();
        self.look_at_both(&mut state);
        let tail = std::mem::take(&mut state.tail);
        String::from_utf8_lossy(&tail[tail.len().saturating_sub(LOG_TAIL_BYTES_MAX)..]).into_owned()
    }

    /// Passes on what is left when the process has ended, lines without an end too.
    pub(crate) fn finish(&self) {
        let mut state = self.state();
        self.look_at_both(&mut state);
        for index in 0..state.pipes.len() {
            self.flush(&mut state, index);
        }
    }

    fn look_at_both(&self, state: &mut State) {
        for index in 0..state.pipes.len() {
            self.look(state, index);
        }
    }

    /// Reads one pipe until it is empty, or as much as a pipe holds.
    fn look(&self, state: &mut State, index: usize) -> Look {
        let mut left = LOG_READ_BYTES_MAX;
        while left > 0 {
            let pipe = &mut state.pipes[index];
            if !pipe.open {
                return Look::Closed;
            }
            match rustix::io::read(&pipe.fd, &mut state.buffer[..]) {
                Ok(0) | Err(Errno::IO | Errno::BADF) => {
                    pipe.open = false;
                    self.flush(state, index);
                    return Look::Closed;
                }
                Ok(read) => {
                    left = left.saturating_sub(read);
                    self.split(state, index, read);
                }
                Err(Errno::INTR) => {}
                Err(_) => return Look::Empty,
            }
        }
        Look::More
    }

    /// Cuts the first `read` bytes of the buffer into lines.
    fn split(&self, state: &mut State, index: usize, read: usize) {
        let buffer = std::mem::take(&mut state.buffer);
        for piece in buffer[..read].split_inclusive(|&byte| byte == b'\n') {
            let (text, ended) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            let mut text = text;
            loop {
                let partial = &mut state.pipes[index].partial;
                let room = LOG_LINE_BYTES_MAX - partial.len();
                if text.len() <= room {
                    partial.extend_from_slice(text);
                    break;
                }
                partial.extend_from_slice(&text[..room]);
                text = &text[room..];
                self.emit(state, index);
            }
            if ended {
                self.emit(state, index);
            }
        }
        state.buffer = buffer;
    }

    fn flush(&self, state: &mut State, index: usize) {
        if !state.pipes[index].partial.is_empty() {
            self.emit(state, index);
        }
    }

    fn emit(&self, state: &mut State, index: usize) {
        let pipe = &mut state.pipes[index];
        let line = std::mem::take(&mut pipe.partial);
        state.tail.extend_from_slice(&line);
        state.tail.push(b'\n');
        if state.tail.len() > 2 * LOG_LINE_BYTES_MAX {
            let surplus = state.tail.len() - LOG_TAIL_BYTES_MAX;
            state.tail.drain(..surplus);
        }
        let text = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(&line)).into_owned();
        let stream = match pipe.stream {
            LogStream::Stdout => "stdout",
            LogStream::Stderr => "stderr",
        };
        let request_id = state.request_id.as_ref().map(RequestId::as_str);
        tracing::info!(target: LOG_TARGET, function = &*self.function, request_id, stream, "{text}");
        let Some(lines) = &self.lines else { return };
        let line = LogLine {
            function: Arc::clone(&self.function),
            pid: self.pid,
            request_id: state.request_id.clone(),
            stream: pipe.stream,
            text,
        };
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
        let (stdout, writer) = pipe().unwrap();
        let (stderr, _) = pipe().unwrap();
        let (sender, lines) = mpsc::channel(capacity);
        let pipes = [stdout.into(), stderr.into()];
        (Output::new("f".into(), 7, pipes, Some(sender), Arc::default()).unwrap(), writer, lines)
    }

    fn id(seed: u8) -> RequestId {
        let random: crate::RandomBytes = Arc::new(move |buffer| buffer.fill(seed));
        RequestId::random(&random)
    }

    #[tokio::test]
    async fn lines_belong_to_the_invocation_during_which_they_were_written() {
        let (output, mut pipe, mut lines) = output(16);
        pipe.write_all(b"init\n").unwrap();
        output.begin(&id(1));
        pipe.write_all(b"one\r\ntwo\nunfin").unwrap();
        assert_eq!(output.tail(), "one\r\ntwo\n");
        pipe.write_all(b"ished\n").unwrap();
        output.begin(&id(2));
        pipe.write_all(b"last").unwrap();
        output.finish();
        assert_eq!(output.tail(), "last\n");
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
        assert!(tail.ends_with("xxx\n"));
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
