//! What the lean client alone promises: about its connections, and about credentials that end early.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use aws_credential_types::provider::future;
use dunlin_management::{ManagementClient as _, ManagementErrorKind, PostOutcome};
use dunlin_management_aws::{
    ClientConfig, Credentials, LeanManagementClient, ProvideCredentials, REFRESH_PAUSE,
};
use futures_util::future::join_all;

use crate::harness::{Harness as _, PATIENCE, Peer as _};
use crate::over::{Lean, Over};
use crate::proxy::Act;
use crate::service::{REGION, credentials};

#[tokio::test]
async fn no_more_connections_are_open_than_the_window_has_places() {
    let harness = Over::<Lean>::start().await;
    let peer = harness.connect().await;
    let config = harness.config(credentials()).with_connections_max(4);
    let client = LeanManagementClient::new(config).unwrap();
    for _ in 0..3 {
        let posts = join_all((0..40).map(|_| client.post(peer.id(), "hello".into()))).await;
        assert!(posts.into_iter().all(|post| post.unwrap() == PostOutcome::Delivered));
    }
    assert_eq!(harness.proxy.connections(), (4, 4), "opened, and at one time");
}

#[tokio::test]
async fn the_wait_for_a_place_counts_into_the_time_limit() {
    let harness = Over::<Lean>::start().await;
    let peer = harness.connect().await;
    let config = harness.config(credentials()).with_connections_max(1);
    let client = LeanManagementClient::new(config.with_request_timeout(Duration::from_millis(300))).unwrap();
    harness.proxy.next(Act::Hang);
    let posts = join_all((0..3).map(|_| client.post(peer.id(), "hello".into()))).await;
    for post in posts {
        assert_eq!(post.unwrap_err().kind(), ManagementErrorKind::Unavailable);
    }
    assert!(harness.proxy.lines().len() <= 1, "nobody else got a place");
}

#[tokio::test]
async fn all_calls_in_a_row_take_one_connection() {
    let harness = Over::<Lean>::start().await;
    let peer = harness.connect().await;
    for _ in 0..20 {
        harness.client().post(peer.id(), "hello".into()).await.unwrap();
        harness.client().get(peer.id()).await.unwrap();
        harness.client().get(&harness.nobody()).await.unwrap();
    }
    assert_eq!(harness.proxy.connections(), (1, 1));
}

/// There, the task of a connection may still be at its end while the caller has its answer already.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_are_used_again_on_several_threads_too() {
    let harness = Over::<Lean>::start().await;
    let peer = harness.connect().await;
    let client = LeanManagementClient::new(harness.config(credentials()).with_connections_max(8)).unwrap();
    for _ in 0..50 {
        join_all((0..8).map(|_| client.get(peer.id()))).await;
    }
    assert_eq!(harness.proxy.connections(), (8, 8), "opened, and at one time");
}

/// A function is frozen between invocations: whatever was closed meanwhile is not known when it goes on.
#[tokio::test]
async fn a_connection_that_was_closed_while_the_process_stood_still_is_not_used() {
    // Nothing comes of this one.
    let (_silent, still) = mpsc::sync_channel::<()>(1);
    let ((freeze, frozen), (close, closed)) = (mpsc::sync_channel(1), mpsc::sync_channel(1));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/dev", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        for _ in 0..2 {
            let (stream, _) = listener.accept().unwrap();
            let answered = answer_one(stream);
            frozen.recv_timeout(PATIENCE).unwrap();
            drop(answered);
            close.send(()).unwrap();
        }
    });
    let config = ClientConfig::new(&endpoint, REGION, credentials()).unwrap();
    let client = LeanManagementClient::new(config.with_request_timeout(PATIENCE)).unwrap();
    let id = "L0SM9cOFvHcCIhw=".parse().unwrap();
    for _ in 0..2 {
        assert_eq!(client.post(&id, "hello".into()).await.unwrap(), PostOutcome::Delivered);
        // This is the runtime's only thread, so nothing of the client runs until both are through.
        freeze.send(()).unwrap();
        closed.recv_timeout(PATIENCE).unwrap();
        assert_eq!(still.recv_timeout(Duration::from_millis(600)), Err(RecvTimeoutError::Timeout));
    }
    server.join().unwrap();
}

/// Answers one post.
fn answer_one(mut stream: std::net::TcpStream) -> std::net::TcpStream {
    use std::io::{Read as _, Write as _};
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    while !request.ends_with(b"hello") {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the client hung up");
        request.extend_from_slice(&buffer[..read]);
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    stream
}

/// Counts how often it is asked.
#[derive(Debug, Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl ProvideCredentials for Counting {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.0.fetch_add(1, SeqCst);
        future::ProvideCredentials::ready(Ok(credentials()))
    }
}

#[tokio::test]
async fn credentials_that_the_service_calls_expired_are_asked_for_again() {
    let harness = Over::<Lean>::start().await;
    let peer = harness.connect().await;
    let counting = Counting::default();
    let client = harness.make(counting.clone());
    client.post(peer.id(), "hello".into()).await.unwrap();
    harness.service.clock.advance(REFRESH_PAUSE);
    let expired =
        "HTTP/1.1 403 Forbidden\r\nx-amzn-errortype: ExpiredTokenException\r\ncontent-length: 0\r\n\r\n";
    harness.proxy.next(Act::Say(expired.to_owned()));
    let error = client.post(peer.id(), "hello".into()).await.unwrap_err();
    assert_eq!((error.kind(), counting.0.load(SeqCst)), (ManagementErrorKind::Forbidden, 1));
    for _ in 0..3 {
        client.post(peer.id(), "hello".into()).await.unwrap();
    }
    assert_eq!(counting.0.load(SeqCst), 2);
}

#[tokio::test]
async fn credentials_that_no_header_can_carry_are_not_sent() {
    let harness = Over::<Lean>::start().await;
    let peer = harness.connect().await;
    let unsendable = Credentials::new("AKID", "secret", Some("a\nb".to_owned()), None, "test");
    let error = harness.make(unsendable).post(peer.id(), "hello".into()).await.unwrap_err();
    assert_eq!(error.kind(), ManagementErrorKind::Internal);
    assert_eq!(harness.proxy.lines(), Vec::<String>::new());
}
