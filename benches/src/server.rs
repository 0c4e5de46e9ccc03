//! Servers on threads of their own, which are not measured. Who measures its own thread beside one shares its core: the price of
//! waking another core is not its own, and depends on what the kernel makes of the moment.

use std::{net::SocketAddr, sync::mpsc::sync_channel, thread};

use tokio::{net::TcpListener, runtime::Builder};

use crate::place::{Place, Stay};

/// Runs `serve` with a listener on a runtime of its own, on a thread that ends with the program.
pub(crate) fn start<F: Future<Output = ()>>(
    serve: impl FnOnce(TcpListener) -> F + Send + 'static,
) -> SocketAddr {
    let (sender, receiver) = sync_channel(1);
    thread::spawn(move || {
        Stay::on(Place::Server).for_good();
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
