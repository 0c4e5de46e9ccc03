use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use dunlin_bench_data::connection_id;
use dunlin_events::ConnectionId;
use dunlin_management::{ManagementClient, PostOutcome};
use dunlin_management_aws::{ClientConfig, Credentials, LeanManagementClient};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Runtime,
};

use crate::{
    path::Workload,
    runtime::{listen, runtime},
};

/// Bytes of a post.
const BODY_BYTES: usize = 200;

/// The client of `@connections` for this address.
pub(super) fn client(endpoint: &str, key_id: &str, secret: &str) -> LeanManagementClient {
    let credentials = Credentials::new(key_id, secret, None, None, "paths");
    let config = ClientConfig::new(endpoint, "eu-west-1", credentials).expect("an address and a stage");
    LeanManagementClient::new(config).expect("nothing is read for plain http")
}

/// One post of the lean client, signed, to a server that reads it and says 200.
pub(super) fn post() -> Box<dyn Workload> {
    let runtime = runtime();
    let received = Arc::new(AtomicU64::new(0));
    let (listener, address) = runtime.block_on(listen());
    runtime.spawn({
        let received = Arc::clone(&received);
        async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(take_posts(stream, Arc::clone(&received)));
            }
        }
    });
    let client = client(&format!("http://{address}/dev"), "AKIDEXAMPLE", "secret");
    Box::new(Post {
        runtime,
        client,
        id: connection_id(1),
        body: Bytes::from(vec![b'x'; BODY_BYTES]),
        received,
    })
}

struct Post {
    runtime: Runtime,
    client: LeanManagementClient,
    id: ConnectionId,
    body: Bytes,
    received: Arc<AtomicU64>,
}

impl Workload for Post {
    fn operate(&mut self) {
        let outcome = self.runtime.block_on(self.client.post(&self.id, self.body.clone()));
        assert_eq!(outcome.expect("the server takes every post"), PostOutcome::Delivered);
    }

    fn tallies(&self) -> Vec<(&'static str, u64)> {
        vec![("wire_bytes", self.received.load(Relaxed))]
    }
}

/// Reads posts of the known size and answers each.
async fn take_posts(mut stream: TcpStream, received: Arc<AtomicU64>) {
    stream.set_nodelay(true).expect("a fresh socket takes its options");
    let mut buffer = vec![0; 16 * 1024];
    let mut filled = 0;
    while let Ok(read @ 1..) = stream.read(&mut buffer[filled..]).await {
        filled += read;
        let head = buffer[..filled].windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4);
        if head.is_some_and(|head| filled >= head + BODY_BYTES) {
            received.fetch_add(filled as u64, Relaxed);
            filled = 0;
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_err() {
                return;
            }
        }
    }
}
