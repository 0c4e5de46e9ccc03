//! Posts to a connection, several at a time: processor time of the client for one, lean and by the SDK.
//!
//! The server is a thread of its own and is not measured; neither is the wait for its answer. What is left is what a
//! function pays for.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use dunlin_benches::connection_id;
use dunlin_management::{ManagementClient, PostOutcome};
use dunlin_management_aws::{ClientConfig, Credentials, LeanManagementClient, SdkManagementClient};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

/// Bytes of a post.
const BODY_BYTES: usize = 200;

/// Posts at a time: a fan-out has several, which share the thread's turns at the sockets.
const POSTS_IN_FLIGHT: usize = 16;

fn post(criterion: &mut Criterion) {
    let server = start_server();
    let config = || {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "bench");
        ClientConfig::new(&format!("http://{server}/dev"), "eu-west-1", credentials)
            .expect("the endpoint is an address and a stage")
    };
    let lean = LeanManagementClient::new(config()).expect("nothing is read for plain http");
    measure(criterion, "post", &lean);
    let sdk = SdkManagementClient::new(config()).expect("nothing is read for plain http");
    measure(criterion, "post_sdk", &sdk);
}

fn measure(criterion: &mut Criterion, name: &str, client: &impl ManagementClient) {
    let runtime =
        Builder::new_current_thread().enable_all().build().expect("a runtime needs nothing but memory");
    let id = connection_id(1);
    let body = Bytes::from(vec![b'x'; BODY_BYTES]);
    let mut group = criterion.benchmark_group("management");
    group.bench_function(BenchmarkId::new(name, format!("{BODY_BYTES}B")), |bencher| {
        bencher.iter_custom(|posts| {
            let before = thread_cpu_time();
            let passing = stream::iter(0..posts).for_each_concurrent(POSTS_IN_FLIGHT, async |_| {
                let outcome = client.post(&id, body.clone()).await.expect("the server takes every post");
                assert_eq!(outcome, PostOutcome::Delivered);
            });
            runtime.block_on(passing);
            // Never zero: criterion divides by it.
            (thread_cpu_time() - before).max(Duration::from_nanos(1))
        });
    });
    group.finish();
}

/// Processor time of this thread. The kernel counts it in nanoseconds and brings it up to date whenever the thread
/// waits, which it does for every answer.
fn thread_cpu_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts the time of threads");
    let nanoseconds = text.split_ascii_whitespace().next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanoseconds.expect("the first field is the time on the processor"))
}

/// An HTTP server that reads every request and answers 200, on a thread that ends with the program.
fn start_server() -> SocketAddr {
    let (sender, receiver) = sync_channel(1);
    thread::spawn(move || {
        let runtime =
            Builder::new_current_thread().enable_all().build().expect("a runtime needs nothing but memory");
        runtime.block_on(async {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
            sender.send(listener.local_addr().expect("it is bound")).expect("the benchmark waits");
            loop {
                let (stream, _) = listener.accept().await.expect("the listener stays");
                stream.set_nodelay(true).expect("a fresh socket takes its options");
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(answer));
                tokio::spawn(connection);
            }
        });
    });
    receiver.recv().expect("the server starts")
}

async fn answer(request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let read = request.into_body().collect().await.map(|body| body.to_bytes().len());
    assert!(matches!(read, Ok(BODY_BYTES)), "{read:?}");
    Ok(Response::new(Empty::new()))
}

criterion_group!(benches, post);
criterion_main!(benches);
