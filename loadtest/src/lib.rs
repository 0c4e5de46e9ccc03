//! The load test: a swarm of WebSocket clients on goose, updates and messages on a schedule that is decided before the
//! run, and the time from the *intended* moment of an update to its push on each client's socket.
//!
//! It knows addresses, and the app's messages from its scenario. It must not know who answers, Dunlin's local stack,
//! another emulator or AWS, and depends on none of the project's crates but `dunlin-events` and what reports need.
//!
//! What keeps the numbers honest:
//!
//! - The schedule is open: neither a slow push nor a slow broker moves it. A stall of the target shows in everything
//!   that it delayed.
//! - All processes of a host share one monotonic clock, and every push says when it was meant to leave. The swarm
//!   measures its own lateness, and a run whose lateness is more than a tenth of the median says that it is invalid.
//! - Each client keeps a bit for each version of each of its topics, so that reach, duplicates and losses are exact
//!   counts.
//!
//! To read it: `scenario` is what is asked for, `plan` decides a run, `timeline` keeps its schedule, `session` is one
//! connection, `account` counts its deliveries, `recorder` and `collect` take what is measured, `assess` judges, and
//! [`measured`] is what comes out, which `results` writes.
//!
//! The smaller measurements work on any WebSocket server. Round trips with one that says back what it is told:
//!
//! ```
//! use dunlin_loadtest::{echo, target::WsTarget};
//!
//! # use futures_util::{StreamExt, TryStreamExt};
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let url = format!("ws://{}", listener.local_addr()?);
//! # tokio::spawn(async move {
//! #     let (stream, _) = listener.accept().await?;
//! #     stream.set_nodelay(true)?;
//! #     let socket = tokio_tungstenite::accept_async(stream).await.map_err(std::io::Error::other)?;
//! #     let (sink, messages) = socket.split();
//! #     messages.try_filter(|message| std::future::ready(message.is_text())).forward(sink).await.ok();
//! #     Ok::<_, std::io::Error>(())
//! # });
//! let config = echo::EchoConfig {
//!     target: WsTarget::resolve(&url).await?,
//!     count: 20,
//!     block: 10,
//!     warm_up: 5,
//!     message: "number {n}".to_owned(),
//!     reply: "number {n}".to_owned(),
//!     bare: None,
//!     bare_cpu: None,
//! };
//! let report = echo::run(&config).await?;
//! assert_eq!(report.target.count, 20);
//! println!("median {:?} µs, the very first {} µs", report.target.p50_us, report.first_us);
//! # Ok(())
//! # }
//! ```

mod account;
mod assess;
mod cause;
pub mod cli;
mod clock;
mod collect;
pub mod cost;
pub mod echo;
pub mod echo_server;
mod error;
pub mod histogram;
pub mod idle;
pub mod measured;
mod mser;
pub mod plan;
mod process;
pub mod processes;
mod progress;
mod recorder;
pub mod report;
pub mod results;
pub mod run;
pub mod scenario;
mod session;
mod socket;
mod stamp;
pub mod summary;
mod swarm;
pub mod target;
pub mod thresholds;
mod timeline;
mod user;

pub use assess::judge;
pub use error::{LoadError, exit};
