//! Connections to the endpoint: at most so many, used again and again.
//!
//! A general client's pool bounds what is idle. What a fan-out needs bounded is what is open: one place for each request
//! under way, and a connection belongs either to a place or to nobody.

use std::error::Error;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::response::Parts;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

/// A connection that was idle this long is closed rather than used again: load balancers close idle ones after a minute.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// After a pause like this, whether a connection is still open is asked before it is used. A function is frozen between
/// invocations, and what happened to its connections meanwhile has not been noticed when it wakes.
const PAUSE: Duration = Duration::from_millis(500);

/// Longest wait for a connection to have done with a request whose answer is there. On several threads it takes a moment; one
/// that still sends, because the endpoint answered early, is not waited for.
const DONE_WAIT: Duration = Duration::from_millis(100);

/// Most bytes of an answer that are read; the longest, about a connection, has some hundred.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// What opens a connection to the endpoint.
pub(crate) trait Connect {
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn connect(&self) -> impl Future<Output = Result<Self::Io, BoxError>> + Send;
}

pub(crate) struct Pool<C> {
    connector: C,
    places: Semaphore,
    /// The one used last is at the end, and taken first.
    idle: Mutex<Vec<Idle>>,
}

/// The right to have one request under way.
pub(crate) struct Place<'a, C> {
    pool: &'a Pool<C>,
    _permit: SemaphorePermit<'a>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// An open connection; it is closed when this is dropped.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
}

impl<C: Connect> Pool<C> {
    pub(crate) fn new(connector: C, connections_max: usize) -> Self {
        let places = Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS));
        Self { connector, places, idle: Mutex::default() }
    }

    /// Waits until one of the places is free.
    pub(crate) async fn place(&self) -> Result<Place<'_, C>, BoxError> {
        Ok(Place { pool: self, _permit: self.places.acquire().await? })
    }

    /// The connection that was used last, of those that are still open.
    async fn take(&self) -> Option<Connection> {
        let now = Instant::now();
        let mut looked_again = false;
        loop {
            let Idle { connection, since } = {
                let mut idle = self.idle();
                let too_old = idle.partition_point(|idle| now - idle.since >= IDLE_TIMEOUT);
                idle.drain(..too_old);
                idle.pop()?
            };
            if now - since >= PAUSE && !looked_again {
                // Once around the runtime, and what has happened to the sockets is known.
                looked_again = true;
                tokio::task::yield_now().await;
            }
            if connection.sender.is_ready() {
                return Some(connection);
            }
        }
    }

    async fn open(&self) -> Result<Connection, BoxError> {
        let io = self.connector.connect().await?;
        let (sender, driver) = http1::handshake(TokioIo::new(io)).await?;
        // Its errors are those of the request that meets them.
        let driver = tokio::spawn(async { drop(driver.await) }).abort_handle();
        Ok(Connection { sender, driver })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        // Each change is one push or pop, so the list behind a poisoned lock is whole.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Connect> Place<'_, C> {
    /// Sends a request and reads its answer. A request that was to go out on a used connection, which turned out to be closed
    /// before anything of it was written, goes out once more on a new one; nothing else is repeated.
    pub(crate) async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(Parts, Bytes), BoxError> {
        let Some(connection) = self.pool.take().await else {
            let connection = self.pool.open().await?;
            return self.send(connection, request).await.map_err(TrySendError::into_error)?;
        };
        match self.send(connection, request).await {
            Ok(answer) => answer,
            Err(mut failed) => match failed.take_message() {
                Some(unwritten) => {
                    let connection = self.pool.open().await?;
                    self.send(connection, unwritten).await.map_err(TrySendError::into_error)?
                }
                None => Err(failed.into_error().into()),
            },
        }
    }

    /// The outer error is one before an answer, the inner one an answer that cannot be read.
    async fn send(
        &self,
        mut connection: Connection,
        request: Request<Full<Bytes>>,
    ) -> Result<Result<(Parts, Bytes), BoxError>, TrySendError<Request<Full<Bytes>>>> {
        let (parts, body) = connection.sender.try_send_request(request).await?.into_parts();
        let body = read(body).await;
        if body.is_ok() && connection.is_done().await {
            self.pool.idle().push(Idle { connection, since: Instant::now() });
        }
        Ok(body.map(|body| (parts, body)))
    }
}

impl Connection {
    /// Whether it can take another request.
    async fn is_done(&mut self) -> bool {
        self.sender.is_ready() || matches!(timeout(DONE_WAIT, self.sender.ready()).await, Ok(Ok(())))
    }
}

async fn read(body: Incoming) -> Result<Bytes, BoxError> {
    Ok(Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes())
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A request that was given up leaves nothing behind on its connection.
        self.driver.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use futures_util::future::join_all;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::sync::mpsc;

    use super::*;

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

    /// Opens pipes, and hands their other ends to the test.
    struct Pipes {
        opened: Arc<AtomicUsize>,
        server: mpsc::Sender<DuplexStream>,
    }

    impl Connect for Pipes {
        type Io = DuplexStream;

        async fn connect(&self) -> Result<DuplexStream, BoxError> {
            self.opened.fetch_add(1, Relaxed);
            let (ours, theirs) = duplex(4096);
            self.server.send(theirs).await?;
            Ok(ours)
        }
    }

    fn pool(connections_max: usize) -> (Pool<Pipes>, mpsc::Receiver<DuplexStream>, Arc<AtomicUsize>) {
        let (server, pipes) = mpsc::channel(8);
        let opened = Arc::new(AtomicUsize::new(0));
        (Pool::new(Pipes { opened: Arc::clone(&opened), server }, connections_max), pipes, opened)
    }

    async fn ask(pool: &Pool<Pipes>) -> Result<Bytes, BoxError> {
        let mut request = Request::new(Full::new(Bytes::from_static(b"hello")));
        *request.method_mut() = http::Method::POST;
        let (_, body) = pool.place().await?.exchange(request).await?;
        Ok(body)
    }

    /// Reads one request and answers it.
    async fn serve(pipe: &mut DuplexStream, answer: &[u8]) {
        let (mut request, mut buffer) = (Vec::new(), [0; 1024]);
        while !request.ends_with(b"hello") {
            let read = pipe.read(&mut buffer).await.unwrap();
            assert!(read > 0, "the client hung up");
            request.extend_from_slice(&buffer[..read]);
        }
        pipe.write_all(answer).await.unwrap();
    }

    #[tokio::test]
    async fn one_connection_serves_one_after_another() {
        let (pool, mut pipes, opened) = pool(4);
        let server = async {
            let mut pipe = pipes.recv().await.unwrap();
            for _ in 0..20 {
                serve(&mut pipe, OK).await;
            }
        };
        let client = async {
            for _ in 0..20 {
                assert_eq!(ask(&pool).await.unwrap(), "ok");
            }
        };
        tokio::join!(server, client);
        assert_eq!(opened.load(Relaxed), 1);
    }

    #[tokio::test]
    async fn what_was_never_written_goes_out_once_more_on_a_new_connection() {
        let (pool, mut pipes, opened) = pool(4);
        let (first, mut pipe) = tokio::join!(ask(&pool), async {
            let mut pipe = pipes.recv().await.unwrap();
            serve(&mut pipe, OK).await;
            pipe
        });
        first.unwrap();
        // Closed, and nothing has run since: the connection looks open, and turns out not to be when it is used.
        pipe.shutdown().await.unwrap();
        drop(pipe);
        let (second, ()) = tokio::join!(ask(&pool), async {
            serve(&mut pipes.recv().await.unwrap(), OK).await;
        });
        assert_eq!(second.unwrap(), "ok");
        assert_eq!(opened.load(Relaxed), 2);
    }

    #[tokio::test]
    async fn what_may_have_arrived_is_not_repeated() {
        let (pool, mut pipes, opened) = pool(4);
        let (answers, ()) = tokio::join!(async { (ask(&pool).await, ask(&pool).await) }, async {
            let mut pipe = pipes.recv().await.unwrap();
            serve(&mut pipe, OK).await;
            serve(&mut pipe, b"").await;
        });
        answers.0.unwrap();
        answers.1.unwrap_err();
        assert_eq!(opened.load(Relaxed), 1);
        assert!(pool.idle().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_was_idle_too_long_is_not_used() {
        let (pool, mut pipes, opened) = pool(4);
        let server = tokio::spawn(async move {
            let mut served = Vec::new();
            while let Some(mut pipe) = pipes.recv().await {
                serve(&mut pipe, OK).await;
                served.push(pipe);
            }
        });
        ask(&pool).await.unwrap();
        tokio::time::sleep(IDLE_TIMEOUT).await;
        ask(&pool).await.unwrap();
        assert_eq!(opened.load(Relaxed), 2);
        server.abort();
    }

    #[tokio::test]
    async fn no_more_are_open_than_there_are_places() {
        let (pool, mut pipes, opened) = pool(3);
        let server = tokio::spawn(async move {
            let mut all = tokio::task::JoinSet::new();
            while let Some(mut pipe) = pipes.recv().await {
                all.spawn(async move {
                    loop {
                        serve(&mut pipe, OK).await;
                    }
                });
            }
        });
        let asked = join_all((0..40).map(|_| ask(&pool))).await;
        assert!(asked.iter().all(Result::is_ok));
        assert_eq!(opened.load(Relaxed), 3);
        assert_eq!(pool.idle().len(), 3);
        server.abort();
    }

    #[tokio::test]
    async fn an_answer_without_end_is_cut() {
        let (pool, mut pipes, _) = pool(1);
        let endless = async {
            let mut pipe = pipes.recv().await.unwrap();
            serve(&mut pipe, b"HTTP/1.1 200 OK\r\n\r\n").await;
            while pipe.write_all(&[b'x'; 1024]).await.is_ok() {}
        };
        let (answer, ()) = tokio::join!(ask(&pool), endless);
        answer.unwrap_err();
        assert!(pool.idle().is_empty());
    }
}
