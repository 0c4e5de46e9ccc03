//! A server on a thread of its own.

use std::{
    net::SocketAddr,
    sync::mpsc::sync_channel,
    thread::{self, JoinHandle},
};

use tokio::{net::TcpListener, runtime::Builder};
use tokio_util::sync::CancellationToken;

use crate::{
    pairs::{Clock, Stopwatch, ThreadClock, Work},
    place::{Place, Stay},
};

/// Serves until it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// The processor time of its thread.
    clock: Clock,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Work that this server does, by its processor time, with the client on another core; it lives as long as that.
    pub(super) fn work(self, mut run: impl FnMut(u64, &mut Stopwatch) -> u64 + 'static) -> Work {
        let clock = self.clock.clone();
        let run = move |iterations, stopwatch: &mut Stopwatch| {
            let _server: &Server = &self;
            run(iterations, stopwatch)
        };
        Work::custom(run).on(clock).at(Place::Client)
    }

    /// Runs `serve` on a free port of 127.0.0.1, until its future ends or the server is dropped.
    pub(super) fn start<F: Future>(serve: impl FnOnce(TcpListener) -> F + Send + 'static) -> Self {
        let (sender, receiver) = sync_channel(1);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            Stay::on(Place::Server).for_good();
            let runtime =
                Builder::new_current_thread().enable_all().build().expect("a runtime needs only memory");
            runtime.block_on(async {
                let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
                let address = listener.local_addr().expect("it is bound");
                sender.send((address, ThreadClock::here())).expect("the benchmark waits");
                stopped.run_until_cancelled(serve(listener)).await;
            });
        });
        let (address, clock) = receiver.recv().expect("the server starts");
        Server { address, clock: Clock::threads([clock]), stop, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the server panicked");
        }
    }
}
