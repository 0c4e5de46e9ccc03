use std::{
    cell::Cell,
    future::poll_fn,
    io,
    ops::ControlFlow,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWriteExt, ReadBuf},
    net::{TcpStream, tcp::OwnedReadHalf},
    time::timeout,
};
use tokio_rustls::server::TlsStream;

use crate::{
    closing::{Ending, GOODBYE_TIME_MAX},
    frames::Frames,
    inbound::{Inbound, Received},
    outbox::Outbox,
    stream::{Stream, linger},
};

/// A WebSocket after its handshake. At rest it has no buffer: everything is read through one that all connections of a thread
/// share, and only what is incomplete is kept.
#[derive(Debug)]
pub(crate) struct Socket {
    line: Line,
    inbound: Inbound,
}

/// The reading side of a plain socket, whose writing side is with the outbox, or both of TLS.
#[derive(Debug)]
enum Line {
    Plain(OwnedReadHalf),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Why reading stopped before the socket was empty.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The caller wants no more for now.
    HeldBack,
    End(Ending),
}

/// For one read: dozens of short messages, half of the largest frame.
const READ_BYTES: usize = 16 * 1024;

thread_local! {
    /// Where everything is read to, as long as nobody has taken it.
    static READ_BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Socket {
    /// `rest` is what came behind the request's head. From now on `outbox` writes to the stream.
    pub(crate) fn new(stream: Stream, rest: Vec<u8>, outbox: &Outbox) -> Self {
        let line = match stream {
            Stream::Plain(stream) => {
                let (reader, writer) = stream.into_split();
                outbox.open(writer);
                Line::Plain(reader)
            }
            Stream::Tls(stream) => Line::Tls(stream),
        };
        Socket { line, inbound: Inbound::new(rest) }
    }

    /// Hands every text that the client sends to `on_text`, until it says to stop. Pings are answered on the way (Q5). After an
    /// [`Ending`] nothing more may be asked for.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &Outbox,
        mut on_text: impl FnMut(&str) -> ControlFlow<()>,
    ) -> Poll<Stop> {
        let mut buffer = READ_BUFFER.take();
        buffer.resize(READ_BYTES, 0);
        let mut visit = |received: Received<'_>| match received {
            Received::Text(text) => match on_text(&text) {
                ControlFlow::Continue(()) => ControlFlow::Continue(()),
                ControlFlow::Break(()) => ControlFlow::Break(Stop::HeldBack),
            },
            Received::Ping(payload) => {
                outbox.pong(payload);
                ControlFlow::Continue(())
            }
            Received::Nothing => ControlFlow::Continue(()),
            Received::Close(said) => {
                let said = said.map(|(code, reason)| (code, reason.into_owned()));
                ControlFlow::Break(Stop::End(Ending::ByClient(said)))
            }
        };
        let mut read = 0;
        let stop = loop {
            match self.inbound.feed(&mut buffer[..read], &mut visit) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(stop)) => break Poll::Ready(stop),
                Err(cause) => break Poll::Ready(Stop::End(Ending::ByGateway(cause))),
            }
            read = match self.line.poll_fill(cx, &mut buffer) {
                Poll::Pending => break Poll::Pending,
                Poll::Ready(Ok(read)) if read > 0 => read,
                Poll::Ready(_) => break Poll::Ready(Stop::End(Ending::Lost)),
            };
        };
        READ_BUFFER.set(buffer);
        stop
    }

    /// Writes everything that waits.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, outbox: &Outbox) -> Poll<io::Result<()>> {
        match &mut self.line {
            Line::Plain(_) => outbox.poll_write(cx),
            Line::Tls(stream) => outbox.poll_write_to(cx, stream),
        }
    }

    /// Ends the connection as `ending` asks for, within [`GOODBYE_TIME_MAX`].
    pub(crate) async fn close(mut self, outbox: &Outbox, ending: &Ending) {
        let goodbye = async {
            match ending {
                Ending::Lost => {}
                Ending::ByClient(said) => {
                    outbox.end_with(Frames::close(
                        said.as_ref().map(|(code, reason)| (*code, reason.as_str())),
                    ));
                    self.finish(outbox).await?;
                }
                Ending::ByGateway(cause) => {
                    outbox.end_with(Frames::close(Some((cause.code(), cause.reason()))));
                    if cause.is_violation() {
                        self.break_off(outbox).await?;
                    } else {
                        self.await_close(outbox).await?;
                        self.finish(outbox).await?;
                    }
                }
            }
            Ok::<(), io::Error>(())
        };
        // Whatever goes wrong or takes too long here, the connection is over.
        let _ = timeout(GOODBYE_TIME_MAX, goodbye).await;
    }

    /// Writes what waits, then waits for the client's own close frame.
    async fn await_close(&mut self, outbox: &Outbox) -> io::Result<()> {
        poll_fn(|cx| self.poll_write(cx, outbox)).await?;
        poll_fn(|cx| self.poll_read(cx, outbox, |_| ControlFlow::Continue(()))).await;
        Ok(())
    }

    /// Writes what waits; then it is for the server to end the stream.
    async fn finish(&mut self, outbox: &Outbox) -> io::Result<()> {
        poll_fn(|cx| self.poll_write(cx, outbox)).await?;
        match &mut self.line {
            Line::Plain(_) => poll_fn(|cx| outbox.poll_shutdown(cx)).await,
            Line::Tls(stream) => stream.shutdown().await,
        }
    }

    /// Tells a client what it did wrong. It may be in the middle of a long message, and unread bytes would turn the end of
    /// the stream into a reset that overtakes the close frame. What was answered before goes out before.
    async fn break_off(&mut self, outbox: &Outbox) -> io::Result<()> {
        self.finish(outbox).await?;
        linger(&mut self.line).await;
        Ok(())
    }
}

impl Line {
    /// Reads once, and says how many bytes.
    fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(self).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Line::Plain(reader) => Pin::new(reader).poll_read(cx, buffer),
            Line::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}
