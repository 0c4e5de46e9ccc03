//! Closed-loop round trips over one connection, next to a bare WebSocket echo in the same minute.

use std::io;
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use hdrhistogram::Histogram;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::LoadError;
use crate::histogram::{ROUND_TRIP_MIN, empty, quantile_us, record, summarize};
use crate::report::{EchoReport, SCHEMA_VERSION};
use crate::session::REPLY_TIMEOUT;
use crate::socket::{self, Socket};
use crate::target::WsTarget;

/// Wait for the bare server's address.
const SERVER_START_TIMEOUT: Duration = Duration::from_secs(10);

/// Stands for the number of the round trip, ten digits, in a message and its reply.
pub const NUMBER: &str = "{n}";

/// What to send, and what must come back.
#[derive(Clone, Debug)]
pub struct EchoConfig {
    /// The API under test.
    pub target: WsTarget,
    /// Round trips on each side.
    pub count: u64,
    /// Round trips of one block.
    pub block: u64,
    /// Round trips on each side before that, which nobody counts: cold functions and caches.
    pub warm_up: u64,
    /// The message; [`NUMBER`] in it changes with each.
    pub message: String,
    /// The reply that is right, to the byte.
    pub reply: String,
    /// The program that serves the bare echo when called with `echo-server`, if that is wanted.
    pub bare: Option<std::path::PathBuf>,
    /// The processor that the bare server runs on; without one the kernel chooses.
    pub bare_cpu: Option<usize>,
}

/// Measures.
///
/// # Errors
///
/// `Mismatch` for a reply that is not the expected one, `Unavailable` if the target is not there or goes away.
pub async fn run(config: &EchoConfig) -> Result<EchoReport, LoadError> {
    if config.count == 0 || config.block == 0 {
        return Err(LoadError::Usage("--count and --block must be above 0".to_owned()));
    }
    let mut target = Side::connect(&config.target, &config.message, &config.reply).await?;
    let first = target.round_trip().await?;
    target.block(config.warm_up).await?;
    target.forget();
    let mut report = EchoReport {
        version: SCHEMA_VERSION,
        kind: "echo".to_owned(),
        ws: config.target.url.clone(),
        count: config.count,
        block: config.block,
        first_us: first.as_secs_f64() * 1e6,
        target: crate::report::Latency::default(),
        bare: None,
        ratio_p50: None,
        ratio_paired: None,
    };
    if let Some(program) = &config.bare {
        let server = BareServer::start(program, config.bare_cpu).await?;
        let mut bare = Side::connect(&server.target, &config.message, &config.message).await?;
        bare.block(config.warm_up).await?;
        bare.forget();
        report.ratio_paired = Some(alternate(&mut target, &mut bare, config.count, config.block).await?);
        report.ratio_p50 = ratio(&target.times, &bare.times);
        report.bare = Some(summarize(&bare.times));
        bare.close().await;
    } else {
        target.block(config.count).await?;
    }
    report.target = summarize(&target.times);
    target.close().await;
    Ok(report)
}

/// Blocks in the order A B B A, so that a drift of the machine hits both alike. Returns the geometric mean of the
/// ratios of neighbouring blocks' medians.
async fn alternate(a: &mut Side, b: &mut Side, count: u64, block: u64) -> Result<f64, LoadError> {
    let (mut done, mut pairs, mut logs) = (0, 0u32, 0.0);
    while done < count {
        let size = block.min(count - done);
        let (of_a, of_b);
        if pairs % 2 == 0 {
            of_a = a.block(size).await?;
            of_b = b.block(size).await?;
        } else {
            of_b = b.block(size).await?;
            of_a = a.block(size).await?;
        }
        logs += (of_a.as_secs_f64() / of_b.as_secs_f64()).ln();
        pairs += 1;
        done += size;
    }
    Ok((logs / f64::from(pairs)).exp())
}

fn ratio(a: &Histogram<u64>, b: &Histogram<u64>) -> Option<f64> {
    Some(quantile_us(a, 0.5)? / quantile_us(b, 0.5)?)
}

/// One connection and its round trips.
struct Side {
    socket: Socket,
    url: String,
    message: String,
    reply: String,
    sent: u64,
    times: Histogram<u64>,
}

impl Side {
    async fn connect(target: &WsTarget, message: &str, reply: &str) -> Result<Side, LoadError> {
        let (socket, _) = socket::connect(target, 0).await.map_err(|error| {
            LoadError::Unavailable(format!("cannot connect to {}: {}", target.url, error.text))
        })?;
        Ok(Side {
            socket,
            url: target.url.clone(),
            message: message.to_owned(),
            reply: reply.to_owned(),
            sent: 0,
            times: empty(ROUND_TRIP_MIN, 3),
        })
    }

    /// Makes round trips and returns their median, which is zero for none.
    async fn block(&mut self, size: u64) -> Result<Duration, LoadError> {
        let mut times = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        for _ in 0..size {
            let time = self.round_trip().await?;
            record(&mut self.times, time);
            times.push(time);
        }
        times.sort_unstable();
        Ok(times.get(times.len() / 2).copied().unwrap_or_default())
    }

    async fn round_trip(&mut self) -> Result<Duration, LoadError> {
        self.sent += 1;
        let number = format!("{:010}", self.sent);
        let message = Message::text(self.message.replace(NUMBER, &number));
        let expected = self.reply.replace(NUMBER, &number);
        let started = Instant::now();
        self.socket.send(message).await.map_err(|error| self.broke(&error.to_string()))?;
        let reply = timeout(REPLY_TIMEOUT, self.socket.next()).await;
        let time = started.elapsed();
        match reply {
            Ok(Some(Ok(Message::Text(text)))) if text.as_str() == expected => Ok(time),
            Ok(Some(Ok(Message::Close(frame)))) => {
                Err(self.broke(&frame.map_or("closed".to_owned(), |frame| format!("closed: {frame}"))))
            }
            Ok(Some(Ok(message))) => Err(LoadError::Mismatch(format!(
                "{} answered message {} with `{}` instead of `{expected}`; --reply says what is right",
                self.url,
                self.sent,
                message
                    .into_text()
                    .map_or("bytes that are no text".to_owned(), |text| text.chars().take(200).collect())
            ))),
            Ok(Some(Err(error))) => Err(self.broke(&error.to_string())),
            Ok(None) => Err(self.broke("the connection ended")),
            Err(_) => Err(self.broke(&format!("no reply within {} s", REPLY_TIMEOUT.as_secs()))),
        }
    }

    fn broke(&self, reason: &str) -> LoadError {
        LoadError::Unavailable(format!("{} at message {}: {reason}", self.url, self.sent))
    }

    fn forget(&mut self) {
        self.times.reset();
    }

    async fn close(mut self) {
        // All is measured; a target that does not answer the close has lost nothing.
        let _ = timeout(Duration::from_secs(1), self.socket.close(None)).await;
    }
}

/// Starts a process on one processor: it inherits the affinity of the thread that starts it.
fn on_cpu<T>(cpu: usize, start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    if cpu >= CpuSet::MAX_CPU {
        return Err(io::Error::other(format!(
            "--bare-cpu {cpu}: processors are numbered from 0 to {}",
            CpuSet::MAX_CPU - 1
        )));
    }
    let before = sched_getaffinity(None)?;
    let mut one = CpuSet::new();
    one.set(cpu);
    sched_setaffinity(None, &one)?;
    let started = start();
    sched_setaffinity(None, &before)?;
    started
}

/// The bare server in a process of its own, as the target is. It ends with its standard input.
struct BareServer {
    target: WsTarget,
    _child: Child,
}

impl BareServer {
    async fn start(program: &std::path::Path, cpu: Option<usize>) -> Result<BareServer, LoadError> {
        let failed = |reason: String| {
            LoadError::Internal(format!("cannot start the bare echo server {}: {reason}", program.display()))
        };
        let mut command = Command::new(program);
        command.arg("echo-server").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let started = match cpu {
            Some(cpu) => on_cpu(cpu, || command.spawn()),
            None => command.spawn(),
        };
        let mut child = started.map_err(|error| failed(error.to_string()))?;
        let stdout = child.stdout.take().ok_or_else(|| failed("it has no standard output".to_owned()))?;
        let mut lines = BufReader::new(stdout).lines();
        let url = match timeout(SERVER_START_TIMEOUT, lines.next_line()).await {
            Ok(Ok(Some(url))) => url,
            Ok(Ok(None)) => return Err(failed("it ended at once".to_owned())),
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Err(_) => return Err(failed(format!("no address within {} s", SERVER_START_TIMEOUT.as_secs()))),
        };
        Ok(BareServer { target: WsTarget::resolve(&url).await?, _child: child })
    }
}
