//! The bare reference of the echo measurement: tokio-tungstenite, nothing else.

use std::io::Write;

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;

use crate::LoadError;
use crate::socket::small_buffers;

/// Prints its URL on standard output and echoes texts and bytes until standard input ends.
///
/// # Errors
///
/// `Internal` if it cannot listen or print.
pub async fn serve() -> Result<(), LoadError> {
    let failed = |error: std::io::Error| LoadError::Internal(format!("the bare echo server failed: {error}"));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    writeln!(std::io::stdout(), "ws://{address}").map_err(failed)?;
    let mut stdin = tokio::io::stdin();
    let mut ignored = [0; 64];
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.map_err(failed)?;
                tokio::spawn(echo(stream));
            }
            read = stdin.read(&mut ignored) => {
                if !matches!(read, Ok(1..)) {
                    return Ok(());
                }
            }
        }
    }
}

async fn echo(stream: TcpStream) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Ok(mut socket) = tokio_tungstenite::accept_async_with_config(stream, Some(small_buffers())).await
    else {
        return;
    };
    while let Some(Ok(message)) = socket.next().await {
        if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).await.is_err() {
            return;
        }
    }
}
