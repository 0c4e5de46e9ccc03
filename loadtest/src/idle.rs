//! What an idle connection costs the process at its other end, in anonymous memory.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt, TryStreamExt, stream};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::LoadError;
use crate::process::{raise_descriptor_limit, rss_anon_bytes};
use crate::report::{IdleReport, SCHEMA_VERSION};
use crate::session::REPLY_TIMEOUT;
use crate::socket::{self, Socket};
use crate::target::WsTarget;

/// Connections that are opened at the same time: each may need a function's environment for its `$connect`.
const CONNECTS_IN_FLIGHT_MAX: usize = 8;

/// Connections that come and go before the first reading, so that what is allocated once is not counted.
const WARM_UP_CONNECTIONS: usize = 64;

/// Gap between two readings of the memory.
const READING_INTERVAL: Duration = Duration::from_millis(250);

/// Readings in a row that must agree.
const READINGS_ALIKE: usize = 4;

/// Readings that differ by less are alike.
const READING_NOISE_BYTES: u64 = 64 * 1024;

/// Readings at most; then the last one counts.
const READINGS_MAX: usize = 40;

/// What to open, and whom to watch.
#[derive(Clone, Debug)]
pub struct IdleConfig {
    /// The API under test.
    pub target: WsTarget,
    /// Connections to hold.
    pub connections: usize,
    /// The process that holds the other ends.
    pub pid: u32,
    /// Sent once on each connection; any text is a reply.
    pub message: String,
}

/// Measures.
///
/// # Errors
///
/// `Usage` for a process that cannot be read or too many connections, `Unavailable` if a connection fails.
pub async fn run(config: &IdleConfig) -> Result<IdleReport, LoadError> {
    if config.connections == 0 {
        return Err(LoadError::Usage("--connections is 0: give at least 1".to_owned()));
    }
    raise_descriptor_limit(config.connections).map_err(LoadError::Usage)?;
    settled(config.pid).await?;
    let warm_up = open(config, WARM_UP_CONNECTIONS.min(config.connections)).await?;
    close(warm_up).await;
    let before = settled(config.pid).await?;
    let sockets = open(config, config.connections).await?;
    let after = settled(config.pid).await?;
    close(sockets).await;
    Ok(IdleReport {
        version: SCHEMA_VERSION,
        kind: "idle".to_owned(),
        ws: config.target.url.clone(),
        pid: config.pid,
        connections: config.connections,
        rss_anon_before_bytes: before,
        rss_anon_after_bytes: after,
        bytes_per_connection: (after as f64 - before as f64) / config.connections as f64,
    })
}

async fn open(config: &IdleConfig, connections: usize) -> Result<Vec<Socket>, LoadError> {
    stream::iter(0..connections)
        .map(|number| open_one(config, number))
        .buffer_unordered(CONNECTS_IN_FLIGHT_MAX)
        .try_collect()
        .await
}

async fn open_one(config: &IdleConfig, number: usize) -> Result<Socket, LoadError> {
    let failed = |reason: String| {
        LoadError::Unavailable(format!("connection {number} to {}: {reason}", config.target.url))
    };
    let connected = socket::connect(&config.target, number).await;
    let (mut socket, _) = connected.map_err(|error| failed(error.text))?;
    let exchange = async {
        socket.send(Message::text(config.message.as_str())).await.map_err(|error| error.to_string())?;
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(_))) => return Ok(()),
                Some(Ok(Message::Close(_))) | None => return Err("closed instead of answered".to_owned()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.to_string()),
            }
        }
    };
    match timeout(REPLY_TIMEOUT, exchange).await {
        Ok(result) => result.map_err(failed)?,
        Err(_) => return Err(failed(format!("no reply within {} s", REPLY_TIMEOUT.as_secs()))),
    }
    Ok(socket)
}

async fn close(sockets: Vec<Socket>) {
    let closing = stream::iter(sockets).for_each_concurrent(CONNECTS_IN_FLIGHT_MAX, async |mut socket| {
        // The memory has been read; how a connection ends does not matter any more.
        let _ = timeout(Duration::from_secs(1), async {
            if socket.close(None).await.is_ok() {
                while let Some(Ok(_)) = socket.next().await {}
            }
        })
        .await;
    });
    closing.await;
}

/// The memory of a process once it stops changing.
async fn settled(pid: u32) -> Result<u64, LoadError> {
    let read = || rss_anon_bytes(pid).map_err(LoadError::Usage);
    let (mut last, mut alike) = (read()?, 1);
    for _ in 0..READINGS_MAX {
        if alike >= READINGS_ALIKE {
            break;
        }
        sleep(READING_INTERVAL).await;
        let now = read()?;
        alike = if now.abs_diff(last) < READING_NOISE_BYTES { alike + 1 } else { 1 };
        last = now;
    }
    Ok(last)
}
