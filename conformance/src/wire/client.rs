use std::time::Duration;

use bytes::BytesMut;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{Frame, Opcode, Stream};
use crate::{Unmet, fails};

/// Frames of one message that are put together: ours.
const FRAMES_MAX: usize = 10_000;

/// One end of a WebSocket. It answers nothing by itself but pings.
pub struct Client {
    stream: Stream,
    buffer: BytesMut,
    patience: Duration,
}

/// What a gateway may send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Incoming {
    /// A message of text, put together.
    Text(String),
    /// A message of bytes.
    Binary(usize),
    /// A pong with its payload.
    Pong(Vec<u8>),
    /// A close frame, with code and reason if it has them.
    Close(Option<(u16, String)>),
    /// The stream ended.
    End,
}

impl Client {
    pub(super) fn new(stream: Stream, rest: BytesMut, patience: Duration) -> Self {
        Client { stream, buffer: rest, patience }
    }

    /// The same, waiting longer or shorter for each frame.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Client { patience, ..self }
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn send_frame(&mut self, frame: &Frame) -> Result<(), Unmet> {
        let bytes = frame.encode(Some(fastrand::u32(..).to_be_bytes()));
        let sent = timeout(self.patience, async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        });
        match sent.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => fails("a connection that takes a frame", error),
            Err(_) => fails("a connection that takes a frame", format!("none within {:?}", self.patience)),
        }
    }

    /// Sends a message of text in one frame.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn send(&mut self, text: impl Into<String>) -> Result<(), Unmet> {
        self.send_frame(&Frame::new(Opcode::Text, text.into())).await
    }

    /// The next frame.
    ///
    /// # Errors
    /// None came in time, or what came is no frame. The end of the stream is no error.
    pub async fn frame(&mut self) -> Result<Option<Frame>, Unmet> {
        let patience = self.patience;
        match timeout(patience, self.read_frame()).await {
            Ok(frame) => frame,
            Err(_) => fails("a frame", format!("nothing within {patience:?}")),
        }
    }

    async fn read_frame(&mut self) -> Result<Option<Frame>, Unmet> {
        loop {
            match Frame::decode(&mut self.buffer) {
                Ok(Some((_, true))) => return fails("a frame without a mask", "one with a mask"),
                Ok(Some((frame, false))) => return Ok(Some(frame)),
                Ok(None) => {}
                Err(length) => return fails("a frame of a usual size", format!("one of {length} bytes")),
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return Ok(None),
                Ok(_) => {}
            }
        }
    }

    /// What comes next; pings are answered and passed over.
    ///
    /// # Errors
    /// Nothing comes in time, or something that breaks the protocol.
    pub async fn next(&mut self) -> Result<Incoming, Unmet> {
        let mut message: Option<(Opcode, Vec<u8>)> = None;
        for _ in 0..FRAMES_MAX {
            let Some(frame) = self.frame().await? else { return Ok(Incoming::End) };
            if frame.reserved != 0 {
                return fails(
                    "no reserved bits, since no extension was agreed",
                    format!("{:03b}", frame.reserved),
                );
            }
            match (frame.opcode, &mut message) {
                (Opcode::Ping, _) => self.send_frame(&Frame::new(Opcode::Pong, frame.payload)).await?,
                (Opcode::Pong, _) => return Ok(Incoming::Pong(frame.payload.to_vec())),
                (Opcode::Close, _) => return Ok(Incoming::Close(frame.close_reason())),
                (kind @ (Opcode::Text | Opcode::Binary), None) => {
                    message = Some((kind, frame.payload.to_vec()));
                }
                (Opcode::Continuation, Some((_, bytes))) => bytes.extend_from_slice(&frame.payload),
                (other, _) => return fails("a frame that goes on", format!("{other:?}")),
            }
            if frame.is_final
                && let Some((kind, bytes)) = message.take_if(|_| is_data(frame.opcode))
            {
                return match (kind, String::from_utf8(bytes)) {
                    (Opcode::Text, Ok(text)) => Ok(Incoming::Text(text)),
                    (Opcode::Text, Err(_)) => fails("text in UTF-8", "bytes that are not"),
                    (_, bytes) => Ok(Incoming::Binary(bytes.map_or(0, |text| text.len()))),
                };
            }
        }
        fails("a message of a usual number of frames", format!("more than {FRAMES_MAX}"))
    }

    /// The next message, which must be text.
    ///
    /// # Errors
    /// Anything else comes, or nothing.
    pub async fn text(&mut self) -> Result<String, Unmet> {
        match self.next().await? {
            Incoming::Text(text) => Ok(text),
            other => fails("a text message", format!("{other:?}")),
        }
    }

    /// The next message, which must be JSON.
    ///
    /// # Errors
    /// Anything else comes, or nothing.
    pub async fn json(&mut self) -> Result<Value, Unmet> {
        let text = self.text().await?;
        match serde_json::from_str(&text) {
            Ok(value) => Ok(value),
            Err(_) => fails("a message of JSON", text),
        }
    }

    /// Sends a message and gives the next one that comes.
    ///
    /// # Errors
    /// As [`text`](Self::text).
    pub async fn ask(&mut self, text: impl Into<String>) -> Result<String, Unmet> {
        self.send(text).await?;
        self.text().await
    }

    /// Code and reason of the close frame, which must come next; it is answered.
    ///
    /// # Errors
    /// Something else comes, or nothing.
    pub async fn closed(&mut self) -> Result<(u16, String), Unmet> {
        match self.next().await? {
            Incoming::Close(Some((code, reason))) => {
                // Who closed may be gone already.
                let _ = self.send_frame(&Frame::close(code, "")).await;
                Ok((code, reason))
            }
            other => fails("a close frame with a code", format!("{other:?}")),
        }
    }

    /// Closes with this frame and waits for the end.
    ///
    /// # Errors
    /// The connection does not end.
    pub async fn close(mut self, frame: &Frame) -> Result<(), Unmet> {
        self.send_frame(frame).await?;
        loop {
            match self.next().await? {
                Incoming::Close(_) | Incoming::End => return Ok(()),
                _ => {}
            }
        }
    }
}

fn is_data(opcode: Opcode) -> bool {
    matches!(opcode, Opcode::Text | Opcode::Binary | Opcode::Continuation)
}
