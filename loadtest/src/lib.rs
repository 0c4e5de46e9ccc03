//! The load test: a swarm of WebSocket clients on goose, device updates over MQTT on a fixed schedule, and the time
//! from the *intended* moment of an update to its push on each client's socket.
//!
//! It knows addresses and the app's messages. It must not know who answers, Dunlin's local stack, another emulator or
//! AWS, and depends on none of the project's crates but `dunlin-events`.
//!
//! What keeps the numbers honest:
//!
//! - The schedule is open: it is made before the run, and neither a slow push nor a slow broker moves it. A stall of
//!   the stack shows in every update that it delayed.
//! - Publisher and readers share one monotonic clock; the publisher measures its own lateness, and a run whose lateness
//!   is more than a tenth of the median push says that it is invalid.
//! - Each follower keeps a bit for each version of each of its devices, so that reach, duplicates, gaps and losses are
//!   exact counts.
//!
//! To read it: `plan` decides a run, `run` drives it, `user` and `reader` are one client, `publisher` is the devices,
//! `account` counts, `assess` judges, `report` is what comes out.
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
pub mod cli;
mod clock;
pub mod echo;
pub mod echo_server;
mod error;
pub mod histogram;
pub mod idle;
pub mod measured;
pub mod plan;
mod process;
mod progress;
mod publisher;
mod reader;
mod recorder;
pub mod report;
pub mod results;
pub mod run;
mod socket;
pub mod summary;
mod swarm;
pub mod target;
mod user;
mod wire;

pub use error::{LoadError, exit};
