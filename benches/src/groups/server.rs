//! Servers on threads of their own, which are not measured.

use std::{net::SocketAddr, sync::mpsc::sync_channel, thread};

use tokio::{net::TcpListener, runtime::Builder};

/// Runs `serve` with a listener on a runtime of its own, on a thread that ends with the program.
pub(super) fn start<F: Future<Output = ()>>(
    serve: impl FnOnce(TcpListener) -> F + Send + 'static,
) -> SocketAddr {
    let (sender, receiver) = sync_channel(1);
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime needs nothing but memory");
        runtime.block_on(async {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
            sender.send(listener.local_addr().expect("it is bound")).expect("the benchmark waits");
            serve(listener).await;
        });
    });
    receiver.recv().expect("the server starts")
}
