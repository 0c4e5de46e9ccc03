//! A chat as there are many in public: whatever one client says goes to every client. Under the path `/others` it does
//! not go back to the one who said it, who gets a receipt instead.
//!
//! It is nothing of Dunlin's, and shows how the swarm drives such an app:
//!
//! ```text
//! cargo run -p dunlin-loadtest --example chat
//! cargo xtask load chat --target ws://127.0.0.1:9001
//! ```

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// Messages that a slow client may be behind; then it misses some.
const BEHIND_MAX: usize = 1_024;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 9001)).await?;
    println!("ws://{}", listener.local_addr()?);
    serve(listener).await
}

/// Serves everybody who connects.
pub(crate) async fn serve(listener: TcpListener) -> std::io::Result<()> {
    let (said, _) = broadcast::channel(BEHIND_MAX);
    let said = Arc::new(said);
    for number in 0u64.. {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(talk(stream, number, Arc::clone(&said)));
    }
    Ok(())
}

async fn talk(stream: TcpStream, number: u64, said: Arc<broadcast::Sender<(u64, Utf8Bytes)>>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut hears_itself = true;
    #[expect(clippy::result_large_err, reason = "the handshake's own type")]
    let look = |request: &Request, response: Response| {
        hears_itself = request.uri().path() != "/others";
        Ok(response)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, look).await else { return };
    let mut heard = said.subscribe();
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    // Nobody may be there to hear it.
                    drop(said.send((number, text)));
                    if !hears_itself && socket.send(Message::text(r#"{"received":true}"#)).await.is_err() {
                        return;
                    }
                }
                Some(Ok(_)) => {}
                _ => return,
            },
            message = heard.recv() => match message {
                Ok((from, text)) if hears_itself || from != number => {
                    if socket.send(Message::Text(text)).await.is_err() {
                        return;
                    }
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
        }
    }
}
