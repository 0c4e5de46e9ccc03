use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use dunlin_events::limits;
use futures_util::{Sink, SinkExt, Stream as _, StreamExt};
use tokio::{io::AsyncWriteExt, time::timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message, Utf8Bytes,
        error::ProtocolError,
        protocol::{
            CloseFrame, Role, WebSocketConfig,
            frame::{
                Frame,
                coding::{Data, OpCode},
            },
        },
    },
};

use crate::{
    closing::{CloseCause, Ending, GOODBYE_TIME_MAX},
    outbox::Outbox,
    stream::{Stream, linger},
};

/// A WebSocket after its handshake, with the service's rules on top of the protocol's.
#[derive(Debug)]
pub(crate) struct Socket {
    inner: WebSocketStream<Stream>,
    /// The frames of the current message that are still to be written.
    unsent: Option<Bytes>,
    /// Whether something, perhaps a pong, was handed over and not yet written.
    unflushed: bool,
}

/// What a client sent.
#[derive(Debug)]
pub(crate) enum Received {
    Text(Utf8Bytes),
    /// A ping, which is answered without further ado (Q5), or a pong.
    Control,
    End(Ending),
}

/// Allocated for every connection, so small: a ping or a short message fits. Longer frames get room of their own.
const READ_BUFFER_BYTES: usize = 512;

/// Messages that wait together are written together up to this many bytes: some twenty short ones per system call, which is
/// most of the gain. Allocated only while in use, but kept after.
const WRITE_BATCH_BYTES: usize = 4 * 1024;

/// Above one batch and one frame. Reached only by pongs for a client that sends pings and reads nothing; the newest one then waits.
const WRITE_BUFFER_BYTES_MAX: usize = 2 * (WRITE_BATCH_BYTES + limits::FRAME_BYTES_MAX);

impl Socket {
    /// `rest` is what came behind the request's head.
    pub(crate) async fn new(stream: Stream, rest: Vec<u8>) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BATCH_BYTES)
            .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
            .max_frame_size(Some(limits::FRAME_BYTES_MAX))
            .max_message_size(Some(limits::MESSAGE_BYTES_MAX));
        let inner = WebSocketStream::from_partially_read(stream, rest, Role::Server, Some(config)).await;
        Socket { inner, unsent: None, unflushed: false }
    }

    /// The next thing that the client sent. After an [`Received::End`] nothing more may be asked for.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        let end = |cause| Received::End(Ending::ByGateway(cause));
        Poll::Ready(match ready!(Pin::new(&mut self.inner).poll_next(cx)) {
            Some(Ok(Message::Text(text))) => Received::Text(text),
            Some(Ok(Message::Binary(_))) => end(CloseCause::Binary),
            Some(Ok(Message::Close(frame))) => Received::End(Ending::ByClient(
                frame.map(|frame| (frame.code.into(), frame.reason.to_string())),
            )),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                self.unflushed = true;
                Received::Control
            }
            Some(Err(Error::Capacity(_))) => end(CloseCause::TooLarge),
            Some(Err(Error::Utf8(_))) => end(CloseCause::InvalidText),
            Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::Io(_))) | None => {
                Received::End(Ending::Lost)
            }
            Some(Err(_)) => end(CloseCause::Protocol),
        })
    }

    /// Writes everything that waits: all of it is fed, then flushed once.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, outbox: &Outbox) -> Poll<Result<(), Error>> {
        // What an earlier call could not write goes first, so that the buffer has room for a whole frame.
        ready!(self.poll_flush(cx))?;
        loop {
            ready!(self.inner.poll_ready_unpin(cx))?;
            let Some(frame) = self.next_frame(outbox) else {
                break;
            };
            self.inner.start_send_unpin(frame)?;
            self.unflushed = true;
        }
        self.poll_flush(cx)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.unflushed {
            ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// The next frame; a message over the frame limit takes several (C11).
    fn next_frame(&mut self, outbox: &Outbox) -> Option<Message> {
        let (opcode, mut rest) = match self.unsent.take() {
            Some(rest) => (Data::Continue, rest),
            None => {
                let text = outbox.pop()?;
                if text.len() <= limits::FRAME_BYTES_MAX {
                    return Some(Message::Text(text));
                }
                (Data::Text, Bytes::from(text))
            }
        };
        let part = rest.split_to(rest.len().min(limits::FRAME_BYTES_MAX));
        let is_final = rest.is_empty();
        self.unsent = Some(rest).filter(|_| !is_final);
        Some(Message::Frame(Frame::message(part, OpCode::Data(opcode), is_final)))
    }

    /// Ends the connection as `ending` asks for, within [`GOODBYE_TIME_MAX`].
    pub(crate) async fn close(mut self, outbox: &Outbox, ending: &Ending) {
        let goodbye = async {
            match ending {
                Ending::Lost => {}
                Ending::ByClient(_) => self.finish().await,
                Ending::ByGateway(cause) if cause.is_violation() => self.break_off(outbox, *cause).await?,
                Ending::ByGateway(cause) => {
                    std::future::poll_fn(|cx| self.poll_write(cx, outbox)).await?;
                    self.send_close(*cause).await?;
                    self.finish().await;
                }
            }
            Ok::<(), Error>(())
        };
        // Whatever goes wrong or takes too long here, the connection is over.
        let _ = timeout(GOODBYE_TIME_MAX, goodbye).await;
    }

    async fn send_close(&mut self, cause: CloseCause) -> Result<(), Error> {
        let frame = CloseFrame { code: cause.code().into(), reason: Utf8Bytes::from_static(cause.reason()) };
        self.inner.send(Message::Close(Some(frame))).await
    }

    /// Completes the exchange of close frames; then it is for the server to end the stream.
    async fn finish(&mut self) {
        while let Some(Ok(_)) = self.inner.next().await {}
        let _ = self.inner.get_mut().shutdown().await;
    }

    /// Tells a client what it did wrong. It may be in the middle of a long message, and unread bytes would turn the end of
    /// the stream into a reset that overtakes the close frame. What was answered before goes out before.
    async fn break_off(&mut self, outbox: &Outbox, cause: CloseCause) -> Result<(), Error> {
        std::future::poll_fn(|cx| self.poll_write(cx, outbox)).await?;
        self.send_close(cause).await?;
        let stream = self.inner.get_mut();
        stream.shutdown().await?;
        linger(stream).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn long_messages_take_several_frames() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = tokio::net::TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let _client = client.unwrap();
        let mut socket = Socket::new(Stream::Plain(accepted.unwrap().0), Vec::new()).await;
        let outbox = Outbox::default();
        for length in [limits::FRAME_BYTES_MAX, limits::FRAME_BYTES_MAX + 1, limits::MESSAGE_BYTES_MAX, 0] {
            outbox.answer("x".repeat(length).into(), usize::MAX).unwrap();
        }
        let mut shapes = Vec::new();
        while let Some(message) = socket.next_frame(&outbox) {
            shapes.push(match message {
                Message::Frame(frame) => {
                    (frame.header().opcode, frame.header().is_final, frame.payload().len())
                }
                whole => (OpCode::Data(Data::Text), true, whole.len()),
            });
        }
        let (text, more) = (OpCode::Data(Data::Text), OpCode::Data(Data::Continue));
        let full = limits::FRAME_BYTES_MAX;
        let expected = [
            (text, true, full),
            (text, false, full),
            (more, true, 1),
            (text, false, full),
            (more, false, full),
            (more, false, full),
            (more, true, full),
            (text, true, 0),
        ];
        assert_eq!(shapes, expected);
    }
}
