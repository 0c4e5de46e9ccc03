//! What happens when the process has no descriptors left. A program of its own, with one test: the limit is the process's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside of test functions")]

#[path = "../gateway/harness.rs"]
#[expect(dead_code, reason = "another target uses all of it")]
mod harness;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpStream;
use tracing_subscriber::{Layer, filter::LevelFilter, layer::SubscriberExt};

use harness::{Stack, soon, upgrade_lines};

/// Counts warnings of failing accepts.
struct Warnings(Arc<AtomicUsize>, Arc<tokio::sync::Notify>);

impl<S: tracing::Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &tracing::Event<'_>, _context: tracing_subscriber::layer::Context<'_, S>) {
        let mut message = String::new();
        event.record(&mut |_: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            message.push_str(&format!("{value:?} "));
        });
        if message.contains("accept failed") {
            self.0.fetch_add(1, SeqCst);
            self.1.notify_one();
        }
    }
}

#[tokio::test]
async fn a_want_of_descriptors_is_told_once_and_survived() {
    let (warned, notified) = (Arc::new(AtomicUsize::new(0)), Arc::new(tokio::sync::Notify::new()));
    let warnings = Warnings(Arc::clone(&warned), Arc::clone(&notified)).with_filter(LevelFilter::WARN);
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(warnings));
    let stack = Stack::start(vec![]).await;
    let limit = getrlimit(Resource::Nofile);
    let used = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    setrlimit(Resource::Nofile, Rlimit { current: Some(used + 20), maximum: limit.maximum }).unwrap();

    // Clients until there is no descriptor for another; the gateway has none for the last of them.
    let mut clients: Vec<TcpStream> = Vec::new();
    let starved = async {
        while let Ok(client) = TcpStream::connect(stack.address).await {
            clients.push(client);
        }
        notified.notified().await;
    };
    soon(starved).await;
    // It waits between its tries: they would be thousands otherwise, and each would be told.
    drop(clients);
    assert_eq!(stack.handshake("/dev", &upgrade_lines(&stack.host())).await, 101);
    assert_eq!(warned.load(SeqCst), 1);
    setrlimit(Resource::Nofile, limit).unwrap();
}
