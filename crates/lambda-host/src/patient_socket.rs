use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// Polls for which the end of the stream is held back. One lets the handler see the last piece of a body, one
/// lets it answer; the rest is margin.
const POLLS_BEFORE_END: u8 = 4;

/// A socket that reports the end of its stream a few polls late.
///
/// The HTTP server drops a request's handler when the client closes the connection, which is how an abandoned poll is
/// noticed. But it looks for the end before it lets the handler look at the request: a process that answers and exits
/// at once would not be heard. So the handler gets its turn first.
pub(crate) struct PatientSocket {
    socket: TcpStream,
    polls_left: u8,
}

impl PatientSocket {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self { socket, polls_left: POLLS_BEFORE_END }
    }
}

impl AsyncRead for PatientSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.socket).poll_read(context, buffer));
        // A process that exits with something unread resets the connection, which is an end as well.
        let ended = read.is_err() || (buffer.filled().len() == before && buffer.remaining() > 0);
        if ended && self.polls_left > 0 {
            self.polls_left -= 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for PatientSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    /// Head and body leave in one call.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
