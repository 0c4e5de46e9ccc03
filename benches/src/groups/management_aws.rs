//! Posts to a connection, several at a time: processor time of the client for one. The server is a thread of its own and is
//! not counted, neither is the wait for its answer. What is left is what a function pays for.

use std::{cell::RefCell, convert::Infallible, net::SocketAddr, rc::Rc};

use bytes::Bytes;
use dunlin_management::{ManagementClient, PostOutcome};
use dunlin_management_aws::{ClientConfig, Credentials, LeanManagementClient, SdkManagementClient};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Empty};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};

use crate::{
    data::connection_id,
    pairs::{Group, Pair, Stopwatch, Work},
    place::Place,
    recorded::Recorder,
    server,
};

/// Bytes of a post.
const BODY_BYTES: usize = 200;

/// Posts at a time: a fan-out has several, which share the thread's turns at the sockets.
const POSTS_IN_FLIGHT: usize = 16;

/// What the bare side reads at once; an answer is shorter.
const ANSWER_BYTES_MAX: usize = 4 * 1024;

pub(super) fn fill(group: &mut Group) {
    group.pair("post/200B", || {
        let server = start_server();
        let lean = LeanManagementClient::new(config(server)).expect("nothing is read for plain http");
        let sdk = SdkManagementClient::new(config(server)).expect("nothing is read for plain http");
        Pair::new(posts(lean), "the SDK's client", posts(sdk)).rival()
    });
    group.pair("post_bare/200B", || {
        let server = start_server();
        let lean = LeanManagementClient::new(config(server)).expect("nothing is read for plain http");
        Pair::new(posts(lean), "the same bytes on bare sockets", bare_posts(server))
    });
}

fn config(server: SocketAddr) -> ClientConfig {
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "bench");
    ClientConfig::new(&format!("http://{server}/dev"), "eu-west-1", credentials)
        .expect("the endpoint is an address and a stage")
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime needs nothing but memory")
}

fn body() -> Bytes {
    Bytes::from_static(&[b'x'; BODY_BYTES])
}

fn posts(client: impl ManagementClient) -> Work {
    let (runtime, id) = (runtime(), connection_id(1));
    Work::custom(move |iterations, stopwatch: &mut Stopwatch| {
        let posted = stream::iter(0..iterations)
            .map(async |_| client.post(&id, body()).await.expect("the server takes every post"))
            .buffer_unordered(POSTS_IN_FLIGHT)
            .fold(0, async |sum, outcome| sum + u64::from(outcome == PostOutcome::Delivered));
        stopwatch.measure(|| runtime.block_on(posted))
    })
    .at(Place::Server)
}

/// Writes what the lean client wrote, on as many sockets as there are posts at a time, and reads each answer.
fn bare_posts(server: SocketAddr) -> Work {
    let runtime = runtime();
    let recorder = Recorder::start(server);
    let lean = LeanManagementClient::new(config(recorder.address)).expect("nothing is read for plain http");
    let posted = runtime.block_on(lean.post(&connection_id(1), body()));
    assert_eq!(posted.expect("the server takes every post"), PostOutcome::Delivered);
    let request = recorder.take().pop().expect("a post is a request");

    let sockets = runtime.block_on(stream::iter(0..POSTS_IN_FLIGHT).then(|_| connect(server)).collect::<Vec<_>>());
    let idle = Rc::new(RefCell::new(sockets));
    Work::custom(move |iterations, stopwatch: &mut Stopwatch| {
        let posted = stream::iter(0..iterations)
            .map(async |_| {
                let mut socket = idle.borrow_mut().pop().expect("there are as many as posts at a time");
                let taken = bare_post(&mut socket, &request).await;
                idle.borrow_mut().push(socket);
                taken
            })
            .buffer_unordered(POSTS_IN_FLIGHT)
            .fold(0, async |sum, taken| sum + u64::from(taken));
        stopwatch.measure(|| runtime.block_on(posted))
    })
    .at(Place::Server)
}

async fn connect(server: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(server).await.expect("the server accepts");
    socket.set_nodelay(true).expect("a fresh socket takes its options");
    socket
}

/// Whether the server took it: an answer without a body ends with its head.
async fn bare_post(socket: &mut TcpStream, request: &[u8]) -> bool {
    socket.write_all(request).await.expect("the server reads");
    let (mut answer, mut bytes) = ([0; ANSWER_BYTES_MAX], 0);
    while !answer[..bytes].ends_with(b"\r\n\r\n") {
        bytes += socket.read(&mut answer[bytes..]).await.expect("the server answers");
    }
    answer.starts_with(b"HTTP/1.1 200 ")
}

/// An HTTP server that reads every request, whose body is as it should be, and answers 200.
fn start_server() -> SocketAddr {
    server::start(|listener: TcpListener| async move {
        loop {
            let (stream, _) = listener.accept().await.expect("the listener stays");
            stream.set_nodelay(true).expect("a fresh socket takes its options");
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(answer));
            tokio::spawn(connection);
        }
    })
}

async fn answer(request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let read = request.into_body().collect().await.map(|read| read.to_bytes() == body());
    assert!(matches!(read, Ok(true)), "a post is as it was sent: {read:?}");
    Ok(Response::new(Empty::new()))
}
