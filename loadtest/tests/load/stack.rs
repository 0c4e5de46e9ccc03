//! The smallest stack that keeps the app's contract, with faults on demand.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use mqtt5::broker::config::BrokerConfig;
use mqtt5::broker::{
    BrokerEventHandler, BrokerShutdownHandle, ClientPublishEvent, MqttBroker, PublishAction,
};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Frames that wait for one connection. A test sends fewer.
const OUTBOX_FRAMES_MAX: usize = 10_000;

/// What to do with one delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// Send it so many times.
    Copies(usize),
    /// Send it once, after the next one of its connection and device.
    After,
    /// Close the connection instead, with code 1001.
    Close,
}

/// Decides the fate of a delivery from the connection's number and the update's version.
pub(crate) type Faults = fn(connection: usize, version: u64) -> Fate;

/// A WebSocket server and an MQTT broker.
pub(crate) struct Stack {
    pub(crate) ws: String,
    pub(crate) mqtt: String,
    shared: Arc<Shared>,
    broker: BrokerShutdownHandle,
    tasks: Vec<JoinHandle<()>>,
}

struct Shared {
    faults: Faults,
    connections: AtomicUsize,
    open: watch::Sender<usize>,
    open_most: AtomicUsize,
    /// By device.
    followers: Mutex<HashMap<String, Vec<Follower>>>,
    counts: Mutex<Counts>,
    published: Notify,
    /// While it is held, nothing is sent.
    frozen: tokio::sync::RwLock<()>,
    /// By connection and device.
    kept_back: Mutex<HashMap<(usize, String), String>>,
}

/// A connection's number and its outbox.
type Follower = (usize, mpsc::Sender<Message>);

/// What the stack did, for comparison with the report.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) updates: u64,
    pub(crate) due: u64,
    pub(crate) withheld: u64,
    pub(crate) doubled: u64,
    pub(crate) reordered: u64,
}

impl Stack {
    pub(crate) async fn start(faults: Faults) -> Stack {
        let shared = Arc::new(Shared {
            faults,
            connections: AtomicUsize::new(0),
            open: watch::Sender::new(0),
            open_most: AtomicUsize::new(0),
            followers: Mutex::default(),
            counts: Mutex::default(),
            published: Notify::new(),
            frozen: tokio::sync::RwLock::default(),
            kept_back: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ws = format!("ws://{}/dev", listener.local_addr().unwrap());
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));

        let bind: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let mut config = BrokerConfig::default().with_bind_address(bind).with_event_handler(shared.clone());
        config.storage_config.enable_persistence = false;
        config.sys_topics_enabled = false;
        let mut broker = MqttBroker::with_config(config).await.unwrap();
        let mqtt = broker.local_addr().unwrap().to_string();
        let stop = broker.shutdown_handle();
        let serving = tokio::spawn(async move { broker.run().await.unwrap() });
        Stack { ws, mqtt, shared, broker: stop, tasks: vec![accepting, serving] }
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = *self.shared.counts.lock().unwrap();
        // What waits for a next one that never came.
        counts.withheld += self.shared.kept_back.lock().unwrap().len() as u64;
        counts
    }

    /// Waits for an update.
    pub(crate) async fn first_update(&self) {
        let published = self.shared.published.notified();
        timeout(Duration::from_secs(20), published).await.expect("an update comes");
    }

    /// The broker ends, the connections stay.
    pub(crate) fn stop_broker(&self) {
        self.broker.shutdown();
    }

    /// Waits until so many updates have come.
    pub(crate) async fn updates(&self, count: u64) {
        while self.counts().updates < count {
            self.first_update().await;
        }
    }

    /// Sends nothing for so long; what comes meanwhile is sent afterwards.
    pub(crate) async fn freeze(&self, time: Duration) {
        let _frozen = self.shared.frozen.write().await;
        tokio::time::sleep(time).await;
    }

    /// Waits until no connection is open any more.
    pub(crate) async fn all_closed(&self) {
        let mut open = self.shared.open.subscribe();
        let closed = open.wait_for(|open| *open == 0);
        timeout(Duration::from_secs(20), closed).await.expect("every connection ends").unwrap();
    }

    /// Most connections that were open at once.
    pub(crate) fn open_most(&self) -> usize {
        self.shared.open_most.load(Ordering::SeqCst)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.broker.shutdown();
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl BrokerEventHandler for Shared {
    fn on_client_publish<'a>(
        &'a self,
        event: ClientPublishEvent,
    ) -> Pin<Box<dyn Future<Output = PublishAction> + Send + 'a>> {
        self.push(&event.topic, &event.payload);
        self.published.notify_one();
        Box::pin(async { PublishAction::Continue })
    }
}

impl Shared {
    fn push(&self, topic: &str, payload: &[u8]) {
        let device = topic.strip_prefix("devices/").unwrap().strip_suffix("/parameters").unwrap();
        let update: Value = serde_json::from_slice(payload).unwrap();
        let version = update["version"].as_u64().unwrap();
        let value = &update["payload"]["value"];
        let push =
            format!(r#"{{"type":"parameters","device_id":"{device}","version":{version},"value":{value}}}"#);
        let mut counts = self.counts.lock().unwrap();
        counts.updates += 1;
        for (connection, outbox) in self.followers.lock().unwrap().get(device).into_iter().flatten() {
            // It has left.
            if outbox.is_closed() {
                continue;
            }
            counts.due += 1;
            match (self.faults)(*connection, version) {
                Fate::Copies(copies) => {
                    counts.withheld += u64::from(copies == 0);
                    counts.doubled += copies.saturating_sub(1) as u64;
                    for _ in 0..copies {
                        let _ = outbox.try_send(Message::text(push.as_str()));
                    }
                    let kept_back = self.kept_back.lock().unwrap().remove(&(*connection, device.to_owned()));
                    if let (Some(kept_back), 1..) = (kept_back, copies) {
                        counts.reordered += 1;
                        let _ = outbox.try_send(Message::text(kept_back));
                    }
                }
                Fate::After => {
                    let key = (*connection, device.to_owned());
                    let before = self.kept_back.lock().unwrap().insert(key, push.clone());
                    if let Some(before) = before {
                        let _ = outbox.try_send(Message::text(before));
                    }
                }
                Fate::Close => {
                    // A connection that has gone takes nothing any more.
                    let frame = CloseFrame { code: CloseCode::Away, reason: "going away".into() };
                    let _ = outbox.try_send(Message::Close(Some(frame)));
                }
            }
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(serve(stream, Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    stream.set_nodelay(true).unwrap();
    // The load test looks first whether anything listens.
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
    let connection = shared.connections.fetch_add(1, Ordering::SeqCst);
    shared.open.send_modify(|open| {
        *open += 1;
        shared.open_most.fetch_max(*open, Ordering::SeqCst);
    });
    let (outbox, mut frames) = mpsc::channel(OUTBOX_FRAMES_MAX);
    loop {
        tokio::select! {
            Some(frame) = frames.recv() => {
                drop(shared.frozen.read().await);
                if socket.send(frame).await.is_err() {
                    break;
                }
            }
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let reply = shared.follow(connection, &outbox, &text);
                    // A client may be gone by then.
                    if socket.send(Message::text(reply)).await.is_err() {
                        break;
                    }
                }
                Some(Ok(_)) => {}
                _ => break,
            }
        }
    }
    shared.open.send_modify(|open| *open -= 1);
}

impl Shared {
    fn follow(&self, connection: usize, outbox: &mpsc::Sender<Message>, text: &str) -> String {
        let request: Value = serde_json::from_str(text).unwrap();
        if request["action"] == "echo" {
            return format!(r#"{{"type":"echo","text":{}}}"#, request["text"]);
        }
        assert_eq!(request["action"], "set_notify_list");
        let devices = request["device_ids"].as_array().unwrap();
        let mut followers = self.followers.lock().unwrap();
        for device in devices {
            let device = device.as_str().unwrap().to_owned();
            followers.entry(device).or_default().push((connection, outbox.clone()));
        }
        json!({"type": "notify_list", "device_ids": devices, "added": devices, "removed": []}).to_string()
    }
}
