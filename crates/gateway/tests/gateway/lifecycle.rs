//! Section 5 and the end of things: close codes, idle and old connections, shutdown.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use dunlin_gateway::{ConfigError, Gateway, SHUTDOWN_TIME_MAX, ServeError, Ticks};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    client_async,
    tungstenite::{
        Message,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use tokio_util::sync::CancellationToken;

use crate::{
    harness::{Act, Client, Script, Stack, api, config, route, soon, two_way},
    management::Caller,
};

/// What a busy machine may add to a promised time.
const GRACE: Duration = Duration::from_secs(10);

async fn start() -> Stack {
    Stack::start(vec![route("$connect"), route("$disconnect"), two_way("$default")]).await
}

/// The code and reason that the next `$disconnect` is told.
async fn told(stack: &Stack) -> (u16, String) {
    let event = stack.script.json("disconnect").await;
    let context = &event["requestContext"];
    let code = context["disconnectStatusCode"].as_u64().unwrap();
    (u16::try_from(code).unwrap(), context["disconnectReason"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn clients_say_how_they_leave() {
    // X3.
    let stack = start().await;
    let close = |code, reason: &'static str| Some(CloseFrame { code, reason: reason.into() });
    for (frame, expected) in [
        (None, (1005, "Client-side close frame status not set")),
        (close(CloseCode::Normal, "done"), (1000, "done")),
        (close(CloseCode::Away, ""), (1001, "")),
        (close(CloseCode::Library(4_321), "grüße"), (4_321, "grüße")),
    ] {
        let mut client = stack.connect().await;
        soon(client.socket.close(frame.clone())).await.unwrap();
        // The gateway answers with the same frame and ends the stream.
        assert_eq!(client.next().await, Message::Close(frame));
        assert!(soon(client.socket.next()).await.is_none());
        assert_eq!(told(&stack).await, (expected.0, expected.1.to_owned()));
    }
}

#[tokio::test]
async fn a_lost_client_is_1006() {
    let stack = start().await;
    drop(stack.connect().await);
    assert_eq!(told(&stack).await, (1006, "Connection lost".to_owned()));
}

#[tokio::test]
async fn disconnect_comes_after_the_connection_is_gone() {
    // X1: a post from within $disconnect finds nothing.
    let stack = start().await;
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    stack.script.on("disconnect", Act::Gate(Arc::clone(&gate)));
    let (mut client, id) = stack.connect_with_id().await;
    soon(client.socket.close(None)).await.unwrap();
    stack.script.event("disconnect").await;
    assert_eq!(stack.gateway.counters().connections_now, 0);
    let mut caller = Caller::new(&stack).await;
    let target = format!("/dev/@connections/{}", id.replace('=', "%3D"));
    assert_eq!(caller.call("POST", &target, "x").await.0, 410);
    gate.add_permits(1);
}

#[tokio::test]
async fn an_answer_for_a_client_that_left_is_dropped() {
    let stack = start().await;
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    stack.script.on("default", Act::Gate(Arc::clone(&gate)));
    let mut client = stack.connect().await;
    client.send("x").await;
    stack.script.event("default").await;
    soon(client.socket.close(None)).await.unwrap();
    stack.script.event("disconnect").await;
    gate.add_permits(1);
    stack.shutdown.cancel();
    soon(stack.served).await.unwrap();
    assert_eq!(stack.gateway.counters().messages_out_total, 0);
}

/// A clock that goes when it is told to.
#[derive(Clone, Default)]
struct Hands(Arc<AtomicU64>);

impl Hands {
    fn set(&self, minutes: u64) {
        self.0.store(minutes, SeqCst);
    }

    fn ticks(&self) -> Ticks {
        let minutes = Arc::clone(&self.0);
        Arc::new(move || Duration::from_secs(60 * minutes.load(SeqCst)))
    }
}

/// A gateway with the service's own limits and a clock in our hands.
async fn start_with_clock() -> (Stack, Hands) {
    let hands = Hands::default();
    let mut config = config();
    config.ticks = hands.ticks();
    let routes = vec![route("$connect"), route("$disconnect"), two_way("$default")];
    let stack = Stack::start_with(config, vec![api("a1b2c3d4e5", routes)]).await;
    stack.script.on("default", Act::Echo);
    (stack, hands)
}

async fn echo(client: &mut Client) {
    client.send("activity").await;
    assert_eq!(client.text().await, "activity");
}

#[tokio::test]
async fn idle_connections_go_away() {
    let (stack, hands) = start_with_clock().await;
    let (mut idle, _) = stack.connect_with_id().await;
    let (mut busy, _) = stack.connect_with_id().await;
    let (mut posted, posted_id) = stack.connect_with_id().await;
    hands.set(9);
    echo(&mut busy).await;
    let mut caller = Caller::new(&stack).await;
    let target = format!("/dev/@connections/{}", posted_id.replace('=', "%3D"));
    assert_eq!(caller.call("POST", &target, "x").await.0, 200);
    assert_eq!(posted.text().await, "x");
    // U4: a ping is no message.
    soon(idle.socket.send(Message::Ping("no activity".into()))).await.unwrap();
    assert!(matches!(soon(idle.socket.next()).await, Some(Ok(Message::Pong(_)))));
    hands.set(10);
    assert_eq!(idle.closed().await, (1001, "Going away".to_owned()));
    drop(idle);
    assert_eq!(told(&stack).await, (1001, "Going away".to_owned()));
    // Q4: messages in either direction kept the others.
    echo(&mut busy).await;
    assert_eq!(caller.call("POST", &target, "y").await.0, 200);
    assert_eq!(posted.text().await, "y");
    // And each for ten minutes from its own last one.
    hands.set(20);
    assert_eq!(busy.closed().await.0, 1001);
    assert_eq!(posted.closed().await.0, 1001);
}

#[tokio::test]
async fn old_connections_go_away_whatever_they_do() {
    let (stack, hands) = start_with_clock().await;
    let (mut old, _) = stack.connect_with_id().await;
    hands.set(1);
    let (mut younger, _) = stack.connect_with_id().await;
    for minutes in (9..120).step_by(9) {
        hands.set(minutes);
        echo(&mut old).await;
        echo(&mut younger).await;
    }
    // Q6.
    hands.set(120);
    assert_eq!(old.closed().await, (1001, "Going away".to_owned()));
    drop(old);
    assert_eq!(told(&stack).await, (1001, "Going away".to_owned()));
    echo(&mut younger).await;
}

#[tokio::test]
async fn shutdown_says_goodbye_to_everybody() {
    let stack = start().await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(stack.connect().await);
    }
    // One that reads a request, one that keeps an HTTP connection open, one that never answers.
    let _silent = stack.tcp().await;
    let _caller = Caller::new(&stack).await;
    let deaf = stack.connect().await;
    stack.shutdown.cancel();
    for client in &mut clients {
        assert_eq!(client.closed().await, (1001, "Going away".to_owned()));
        assert!(soon(client.socket.next()).await.is_none());
    }
    timeout(SHUTDOWN_TIME_MAX + GRACE, stack.served).await.unwrap().unwrap();
    assert_eq!(stack.script.unseen("disconnect"), 21, "each of them was told");
    assert_eq!(stack.gateway.counters().connections_now, 0);
    drop(deaf);
    assert!(TcpStream::connect(stack.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn shutdown_does_not_wait_for_functions_that_hang() {
    let stack = start().await;
    stack.script.on("default", Act::Hang);
    stack.script.on("disconnect", Act::Hang);
    let mut client = stack.connect().await;
    client.send("x").await;
    stack.script.event("default").await;
    stack.shutdown.cancel();
    assert_eq!(client.closed().await.0, 1001);
    timeout(SHUTDOWN_TIME_MAX + GRACE, stack.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn several_listeners_serve_one_api() {
    let stack = start().await;
    // On a machine without IPv6 another loopback address, under the name that does not say which.
    let (listener, name) = match TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await {
        Ok(listener) => (listener, "[::1]"),
        Err(_) => (TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).await.unwrap(), "localhost"),
    };
    let address = listener.local_addr().unwrap();
    let host = format!("{name}:{}", address.port());
    let shutdown = CancellationToken::new();
    let served = tokio::spawn({
        let (gateway, shutdown) = (Arc::clone(&stack.gateway), shutdown.clone());
        async move { gateway.serve("a1b2c3d4e5", listener, shutdown).await }
    });
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let source = stream.local_addr().unwrap().ip().to_string();
    let (mut other, _) = soon(client_async(format!("ws://{host}/dev"), stream)).await.unwrap();
    let event = stack.script.json("connect").await;
    assert_eq!(event["requestContext"]["domainName"], host);
    assert_eq!(event["requestContext"]["identity"]["sourceIp"], source);
    // A connection is found through any of them.
    let id = event["requestContext"]["connectionId"].as_str().unwrap().replace('=', "%3D");
    let mut caller = Caller::new(&stack).await;
    assert_eq!(caller.call("POST", &format!("/dev/@connections/{id}"), "x").await.0, 200);
    assert_eq!(soon(other.next()).await.unwrap().unwrap(), Message::text("x"));
    // The end of one is not the end of the other.
    let mut first = stack.connect().await;
    shutdown.cancel();
    assert!(matches!(soon(other.next()).await, Some(Ok(Message::Close(_)))));
    soon(served).await.unwrap().unwrap();
    stack.script.on("default", Act::Echo);
    first.send("still here").await;
    assert_eq!(first.text().await, "still here");
}

#[tokio::test]
async fn what_cannot_be_served_is_named() {
    let script = || Arc::new(Script::default());
    let twice = Gateway::new(config(), vec![api("one", vec![]), api("one", vec![])], script());
    assert_eq!(twice.err(), Some(ConfigError::DuplicateApi { api_id: "one".to_owned() }));
    let gateway = Gateway::new(config(), vec![api("one", vec![])], script()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unknown = gateway.serve("two", listener, CancellationToken::new()).await;
    assert_eq!(unknown, Err(ServeError::UnknownApi("two".to_owned())));
}
