//! The barest servers. They read what is known to come, and say what is known beforehand wherever that is enough.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{accept_async_with_config, tungstenite::protocol::WebSocketConfig};

use super::server::Server;

/// What a request may have of bytes here.
const REQUEST_BYTES_MAX: usize = 4 * 1024;

/// The accept key of the handshake in [`handshake_request`](super::client::handshake_request), worked out once.
const SWITCHING_PROTOCOLS: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Calls `serve` for every connection, as a task.
pub(super) async fn accept<F: Future<Output = ()> + 'static>(
    listener: TcpListener,
    serve: impl Fn(TcpStream) -> F,
) {
    let tasks = tokio::task::LocalSet::new();
    tasks
        .run_until(async {
            loop {
                let (stream, _) = listener.accept().await.expect("the listener stays");
                stream.set_nodelay(true).expect("a fresh socket takes its options");
                tokio::task::spawn_local(serve(stream));
            }
        })
        .await;
}

/// Reads a request's head and answers 101, whoever asks for what. `false`: nobody asked.
pub(super) async fn shake_hands(stream: &mut TcpStream) -> bool {
    let mut request = [0; REQUEST_BYTES_MAX];
    let mut length = 0;
    while !request[..length].ends_with(b"\r\n\r\n") {
        match stream.read(&mut request[length..]).await {
            Ok(read) if read > 0 => length += read,
            _ => return false,
        }
    }
    stream.write_all(SWITCHING_PROTOCOLS).await.is_ok()
}

/// Answers every handshake with a fixed 101; the number counts open connections.
pub(super) fn fixed_101() -> (Server, Arc<AtomicUsize>) {
    let open = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&open);
    let server = Server::start(move |listener| {
        accept(listener, move |mut stream| {
            let open = Arc::clone(&counted);
            async move {
                if shake_hands(&mut stream).await {
                    open.fetch_add(1, Relaxed);
                    // The client says nothing more, and leaves.
                    let _ = stream.read(&mut [0]).await;
                    open.fetch_sub(1, Relaxed);
                }
            }
        })
    });
    (server, open)
}

/// Answers every so many bytes with the same ones.
pub(super) fn fixed_answer(message_bytes: usize, answer: Vec<u8>) -> Server {
    let answer: Arc<[u8]> = answer.into();
    Server::start(move |listener| {
        accept(listener, move |mut stream| {
            let answer = Arc::clone(&answer);
            async move {
                if !shake_hands(&mut stream).await {
                    return;
                }
                let mut message = vec![0; message_bytes];
                while stream.read_exact(&mut message).await.is_ok() {
                    if stream.write_all(&answer).await.is_err() {
                        return;
                    }
                }
            }
        })
    })
}

/// Echoes, by tokio-tungstenite with buffers of a sensible size.
pub(super) fn tungstenite_echo() -> Server {
    Server::start(|listener| {
        accept(listener, |stream| async {
            let config = WebSocketConfig::default().read_buffer_size(4 * 1024).write_buffer_size(0);
            let mut socket =
                accept_async_with_config(stream, Some(config)).await.expect("the handshake is good");
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() && socket.send(message).await.is_err() {
                    return;
                }
            }
        })
    })
}

/// Takes connections, shakes hands, and hands them out.
pub(super) fn collect(sender: tokio::sync::mpsc::Sender<TcpStream>) -> Server {
    Server::start(move |listener| async move {
        let sender = &sender;
        loop {
            let (mut stream, _) = listener.accept().await.expect("the listener stays");
            stream.set_nodelay(true).expect("a fresh socket takes its options");
            if shake_hands(&mut stream).await && sender.send(stream).await.is_err() {
                // Whoever wanted them has gone; the sockets of others live by this runtime.
                tokio::time::sleep(Duration::MAX).await;
            }
        }
    })
}
