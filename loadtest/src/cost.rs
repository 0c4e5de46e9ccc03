//! What the swarm costs for each message, beside readers that do nothing with it.
//!
//! One server tells everybody what one client says. The swarm's clients and as many bare tokio-tungstenite readers hear it
//! at the same time, in processes of their own, so that what the machine does meanwhile meets both.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::process::cpu_time;
use crate::socket::{self, small_buffers};
use crate::target::WsTarget;
use crate::{LoadError, results};

/// Wait for a process of the comparison beyond the run itself.
const PROCESS_TIMEOUT: Duration = Duration::from_secs(60);

/// Messages that a reader may be behind; then it misses some, and the comparison fails.
const BEHIND_MAX: usize = 4_096;

/// What the comparison found. Ratios hold where times do not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CostReport {
    /// Connections on each side.
    pub connections: usize,
    /// Messages that each side received.
    pub messages: u64,
    /// Processor time of the swarm for one of them: schedule, histograms and goose included.
    pub swarm_us_per_message: f64,
    /// Processor time of the bare readers for one of them.
    pub bare_us_per_message: f64,
    /// The first over the second.
    pub ratio: f64,
}

/// What the bare readers print.
#[derive(Serialize, Deserialize)]
struct Bare {
    messages: u64,
    cpu_seconds: f64,
}

/// Compares, `program` being this one.
///
/// # Errors
///
/// `Internal` if a process of it fails, `Mismatch` if the sides did not hear the same.
pub async fn run(
    program: &Path,
    connections: usize,
    per_second: f64,
    seconds: f64,
) -> Result<CostReport, LoadError> {
    let failed = |what: &str, reason: String| LoadError::Internal(format!("{what}: {reason}"));
    let folder = tempfile::tempdir().map_err(|error| failed("cannot make a folder", error.to_string()))?;
    let scenario = folder.path().join("cost.toml");
    let text = format!(
        "description = 'what a message costs'\nthresholds = ['lost == 0']\ntarget = {{ cause = {{ socket = {{ send = '{{stamp}}' }} }} }}\n[users]\ncount = {connections}\nconnects_per_second = 500\n[updates]\ntopics = 1\nper_second = {per_second}\narrivals = 'constant'\n[phases]\nhold = '{seconds}s'\n"
    );
    std::fs::write(&scenario, text)
        .map_err(|error| failed("cannot write the scenario", error.to_string()))?;
    let (_server, url) = start(program, &["cost-server".to_owned()]).await?;
    let count = connections.to_string();
    let mut bare = Command::new(program);
    bare.args(["cost-reader", "--connections", &count, "--ws", &url]);
    let mut bare = bare
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed("cannot start the bare readers", error.to_string()))?;
    let out = folder.path().join("out");
    let mut swarm = Command::new(program);
    swarm
        .arg("run")
        .arg(&scenario)
        .arg("--no-progress")
        .arg(format!("--target={url}"))
        .arg("--out")
        .arg(&out);
    let swarm =
        swarm.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).output();
    let limit = Duration::from_secs_f64(seconds + connections as f64 / 500.0) + PROCESS_TIMEOUT;
    let said = timeout(limit, swarm).await.map_err(|_| failed("the swarm", "it does not end".to_owned()))?;
    let said = said.map_err(|error| failed("the swarm", error.to_string()))?;
    let measured = results::read(&out)
        .map_err(|_| failed("the swarm", String::from_utf8_lossy(&said.stderr).trim().to_owned()))?;
    // They end with their standard input, and print what they had.
    drop(bare.stdin.take());
    let printed = timeout(PROCESS_TIMEOUT, bare.wait_with_output()).await;
    let printed = printed.map_err(|_| failed("the bare readers", "they do not end".to_owned()))?;
    let printed = printed.map_err(|error| failed("the bare readers", error.to_string()))?;
    let bare: Bare = serde_json::from_slice(&printed.stdout)
        .map_err(|error| failed("the bare readers", format!("they printed no figures: {error}")))?;
    let received = measured.measured_reach().received;
    if bare.messages != received || received == 0 {
        return Err(LoadError::Mismatch(format!(
            "the swarm heard {received} messages and the bare readers {}: they cannot be compared",
            bare.messages
        )));
    }
    // Of the measured phase; connecting is in neither figure.
    let swarm_us = measured.generator.cpu_ns_per_message.unwrap_or(f64::NAN) / 1e3;
    let bare_us = bare.cpu_seconds * 1e6 / bare.messages as f64;
    Ok(CostReport {
        connections,
        messages: received,
        swarm_us_per_message: swarm_us,
        bare_us_per_message: bare_us,
        ratio: swarm_us / bare_us,
    })
}

async fn start(program: &Path, args: &[String]) -> Result<(Child, String), LoadError> {
    let failed = |reason: String| LoadError::Internal(format!("cannot start {}: {reason}", args.join(" ")));
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let stdout = child.stdout.take().ok_or_else(|| failed("it has no standard output".to_owned()))?;
    let mut lines = BufReader::new(stdout).lines();
    match timeout(PROCESS_TIMEOUT, lines.next_line()).await {
        Ok(Ok(Some(line))) => Ok((child, line)),
        _ => Err(failed("it says no address".to_owned())),
    }
}

/// Opens connections and counts what comes, until standard input ends; prints the figures. The processor time counts from
/// the first message.
///
/// # Errors
///
/// `Unavailable` if a connection cannot be made.
pub async fn read_bare(url: &str, connections: usize) -> Result<(), LoadError> {
    let target = WsTarget::resolve(url).await?;
    let mut sockets = Vec::with_capacity(connections);
    for number in 0..connections {
        let (socket, _) = socket::connect(&target, number).await.map_err(|error| {
            LoadError::Unavailable(format!("connection {number} to {url}: {}", error.text))
        })?;
        sockets.push(socket);
    }
    let (ended, _) = broadcast::channel::<()>(1);
    let readers: Vec<_> = sockets
        .into_iter()
        .map(|mut socket| {
            let mut ended = ended.subscribe();
            tokio::spawn(async move {
                let (mut messages, mut first) = (0u64, None);
                loop {
                    tokio::select! {
                        message = socket.next() => match message {
                            Some(Ok(Message::Text(_))) => {
                                first.get_or_insert_with(cpu_time);
                                messages += 1;
                            }
                            Some(Ok(_)) => {}
                            _ => break,
                        },
                        _ = ended.recv() => break,
                    }
                }
                (messages, first)
            })
        })
        .collect();
    let mut ignored = Vec::new();
    // Whatever comes, its end is what counts.
    let _ = tokio::io::stdin().read_to_end(&mut ignored).await;
    drop(ended);
    let ends: Vec<(u64, Option<Duration>)> =
        stream::iter(readers).then(async |reader| reader.await.unwrap_or_default()).collect().await;
    let first = ends.iter().filter_map(|(_, first)| *first).min().unwrap_or_default();
    let bare = Bare {
        messages: ends.iter().map(|(messages, _)| messages).sum(),
        cpu_seconds: cpu_time().saturating_sub(first).as_secs_f64(),
    };
    let text = serde_json::to_string(&bare).map_err(|error| LoadError::Internal(error.to_string()))?;
    writeln!(std::io::stdout(), "{text}").map_err(|error| LoadError::Internal(error.to_string()))
}

/// Tells everybody what anybody says. Prints its URL, ends with its standard input.
///
/// # Errors
///
/// `Internal` if it cannot listen or print.
pub async fn serve() -> Result<(), LoadError> {
    let failed =
        |error: std::io::Error| LoadError::Internal(format!("the server of the comparison failed: {error}"));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
    writeln!(std::io::stdout(), "ws://{}", listener.local_addr().map_err(failed)?).map_err(failed)?;
    let (said, _) = broadcast::channel(BEHIND_MAX);
    let mut stdin = tokio::io::stdin();
    let mut ignored = [0; 64];
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                tokio::spawn(talk(accepted.map_err(failed)?.0, said.clone()));
            }
            read = stdin.read(&mut ignored) => {
                if !matches!(read, Ok(1..)) {
                    return Ok(());
                }
            }
        }
    }
}

async fn talk(stream: TcpStream, said: broadcast::Sender<Utf8Bytes>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let accepted = tokio_tungstenite::accept_async_with_config(stream, Some(small_buffers())).await;
    let Ok(mut socket) = accepted else { return };
    let mut heard = said.subscribe();
    loop {
        tokio::select! {
            message = socket.next() => match message {
                // Nobody may be there to hear it.
                Some(Ok(Message::Text(text))) => drop(said.send(text)),
                Some(Ok(_)) => {}
                _ => return,
            },
            message = heard.recv() => match message {
                Ok(text) => {
                    if socket.send(Message::Text(text)).await.is_err() {
                        return;
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
        }
    }
}
