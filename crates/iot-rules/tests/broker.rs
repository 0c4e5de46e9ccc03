//! The broker over real sockets: what clients publish becomes events, and nothing that a client sends stops it.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use dunlin_events::limits::IOT_MESSAGE_BYTES_MAX;
use dunlin_iot_rules::{
    Action, BoxFuture, Config, Counts, DeliverError, Headers, IotRules, REPUBLISH_DEPTH_MAX, Republish, Rule,
    RuleSink, StartError, Target,
    client::{PublishError, QoS, publish_once},
};
use mqtt5::{ConnectOptions, Delivery, MqttClient, ProtocolVersion, PublishResult};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::mpsc,
};

const NOTIFY: &str =
    "SELECT *, topic(2) AS device_id, timestamp() AS received_at FROM 'devices/+/parameters'";

/// Bound of every wait in these tests: far above what a loaded machine needs.
const WAIT: Duration = Duration::from_secs(20);

struct Events(mpsc::Sender<(String, String)>);

impl RuleSink for Events {
    fn deliver<'a>(
        &'a self,
        _rule: &'a str,
        target: Target<'a>,
        event: Bytes,
    ) -> BoxFuture<'a, Result<(), DeliverError>> {
        let (Target::Function(name) | Target::LogGroup(name) | Target::Queue(name)) = target;
        let event = String::from_utf8(event.to_vec()).unwrap();
        let sent = self.0.try_send((name.to_owned(), event));
        Box::pin(async move { sent.map_err(|error| DeliverError(error.to_string())) })
    }
}

struct Broker {
    rules: IotRules,
    events: mpsc::Receiver<(String, String)>,
}

impl Broker {
    async fn start(address: &str, sql: &str) -> Self {
        Self::with(config(&[address], sql)).await
    }

    async fn with_rules(rules: Vec<Rule>) -> Self {
        Self::with(Config { rules, ..config(&["127.0.0.1:0"], "SELECT * FROM 'a'") }).await
    }

    async fn with(config: Config) -> Self {
        let (sender, events) = mpsc::channel(10_000);
        let rules = IotRules::start(config, Arc::new(Events(sender))).await.unwrap();
        Self { rules, events }
    }

    fn address(&self) -> SocketAddr {
        self.rules.local_addr()
    }

    /// The next event, which must go to the function `f`.
    async fn event(&mut self) -> String {
        let (function, event) = tokio::time::timeout(WAIT, self.events.recv()).await.unwrap().unwrap();
        assert_eq!(function, "f");
        event
    }

    async fn publish(&self, topic: &str, payload: &'static str) {
        publish_once(self.address(), topic, Bytes::from_static(payload.as_bytes()), QoS::AtLeastOnce)
            .await
            .unwrap();
    }
}

fn lambda(function: &str) -> Action {
    Action::Lambda { function: function.to_owned() }
}

fn rule(name: &str, sql: &str, actions: Vec<Action>) -> Rule {
    Rule { name: name.to_owned(), sql: sql.to_owned(), actions, ..Rule::default() }
}

/// One rule for one function, and a clock that counts.
fn config(addresses: &[&str], sql: &str) -> Config {
    let ticks = AtomicU64::new(1_000);
    Config {
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        rules: vec![rule("r", sql, vec![lambda("f")])],
        clock: Arc::new(move || ticks.fetch_add(1, Ordering::Relaxed)),
        ..Config::default()
    }
}

async fn client(address: SocketAddr, id: &str, version: ProtocolVersion) -> MqttClient {
    let options = ConnectOptions::new(id).with_protocol_version(version).with_automatic_reconnect(false);
    let client = MqttClient::with_options(options);
    tokio::time::timeout(WAIT, client.connect(&address.to_string())).await.unwrap().unwrap();
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_versions_and_every_qos() {
    let mut broker = Broker::start(
        "127.0.0.1:0",
        "SELECT *, topic(2) AS d, clientid() AS c, timestamp() AS at FROM 'a/+'",
    )
    .await;
    let old = client(broker.address(), "old", ProtocolVersion::V311).await;
    let new = client(broker.address(), "new", ProtocolVersion::V5).await;
    let mut at = 1_000;
    for (client, name) in [(&old, "old"), (&new, "new")] {
        for (qos, n) in [(mqtt5::QoS::AtMostOnce, 0), (mqtt5::QoS::AtLeastOnce, 1)] {
            client.publish_qos("a/x", format!("{{\"n\":{n}}}"), qos).await.unwrap();
            assert_eq!(
                broker.event().await,
                format!("{{\"n\":{n},\"d\":\"x\",\"c\":\"{name}\",\"at\":{at}}}")
            );
            at += 1;
        }
    }
    old.disconnect().await.unwrap();
    new.disconnect().await.unwrap();
    // The final counts: an event is counted once the sink has taken it, which is after the test has seen it.
    let counts = broker.rules.shutdown().await;
    assert_eq!(counts, Counts { published: 4, delivered: 4, ..Counts::default() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_notify_rule() {
    let mut broker = Broker::start("127.0.0.1:0", NOTIFY).await;
    broker
        .publish("devices/dev-1/parameters", r#"{"version":7,"payload":{"value":{"temperature":21.5}}}"#)
        .await;
    assert_eq!(
        broker.event().await,
        r#"{"version":7,"payload":{"value":{"temperature":21.5}},"device_id":"dev-1","received_at":1000}"#
    );
    // Other topics are not its business; a payload that is not JSON is skipped and the next one is not.
    broker.publish("devices/dev-1/state", "{}").await;
    broker.publish("devices/dev-1/parameters", "21.5 degrees").await;
    broker.publish("devices/dev-2/parameters", "{}").await;
    assert_eq!(broker.event().await, r#"{"device_id":"dev-2","received_at":1003}"#);
    let counts = broker.rules.shutdown().await;
    assert_eq!(counts, Counts { published: 4, delivered: 2, unreadable: 1, ..Counts::default() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_get_the_message_as_well() {
    let mut broker = Broker::start("127.0.0.1:0", "SELECT * FROM 'a'").await;
    let subscriber = client(broker.address(), "s", ProtocolVersion::V5).await;
    let (sender, mut received) = mpsc::channel(1);
    subscriber
        .subscribe("a", move |message| {
            let _ = sender.try_send(message.payload.to_vec());
        })
        .await
        .unwrap();
    broker.publish("a", "{\"v\":1}").await;
    assert_eq!(tokio::time::timeout(WAIT, received.recv()).await.unwrap().unwrap(), b"{\"v\":1}");
    assert_eq!(broker.event().await, "{\"v\":1}");
    subscriber.disconnect().await.unwrap();
}

/// Whatever comes in on the port, the next device is served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_hurts_nobody() {
    let mut broker = Broker::start("127.0.0.1:0", "SELECT * FROM 'a'").await;
    let connect = b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03abc";
    let mut samples: Vec<Vec<u8>> = vec![
        vec![],
        vec![0],
        vec![0x10],
        vec![0xff; 64],
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        vec![0x16, 3, 1, 2, 0, 1, 0],
        // a CONNECT whose length says 256 MB, one that is too long a length, one of another protocol
        vec![0x10, 0xff, 0xff, 0xff, 0x7f, 0, 4],
        vec![0x10, 0xff, 0xff, 0xff, 0xff, 0xff],
        b"\x10\x0f\x00\x04MQXX\x04\x02\x00\x3c\x00\x03abc".to_vec(),
    ];
    // after a good CONNECT: a second one, a PUBLISH with a wildcard, one with broken UTF-8, one cut short, a server's packet
    for packet in [
        &connect[..],
        b"\x30\x05\x00\x03a/#x",
        b"\x30\x06\x00\x04\xff\xfe\xfd\xfc",
        b"\x30\x7f\x00\x03abc",
        b"\x20\x02\x00\x00",
        b"\x36\x05\x00\x01a\x00\x01",
        b"\x82\x02\x00\x00",
        b"\xf0\x00",
    ] {
        samples.push([&connect[..], packet].concat());
    }
    let mut seed = 0x9e37_79b9_u32;
    for length in 1..120 {
        let noise = (0..length).map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        });
        samples.push(noise.collect());
    }
    for sample in &samples {
        let mut socket = TcpStream::connect(broker.address()).await.unwrap();
        socket.set_nodelay(true).unwrap();
        // The broker may have closed already; that is its right.
        let _ = socket.write_all(sample).await;
        let _ = socket.shutdown().await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(WAIT, socket.read_to_end(&mut answer)).await.unwrap();
    }
    broker.publish("a", "{\"still\":\"here\"}").await;
    assert_eq!(broker.event().await, "{\"still\":\"here\"}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_packet_over_the_limit_costs_its_connection_only() {
    let mut broker = Broker::start("127.0.0.1:0", "SELECT topic() AS t FROM 'a'").await;
    let mut socket = TcpStream::connect(broker.address()).await.unwrap();
    socket.write_all(b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03abc").await.unwrap();
    let mut connack = [0; 4];
    tokio::time::timeout(WAIT, socket.read_exact(&mut connack)).await.unwrap().unwrap();
    // PUBLISH, QoS 0, remaining length 1,048,575, topic `a`
    let _ = socket.write_all(b"\x30\xff\xff\x3f\x00\x01a").await;
    let _ = socket.write_all(&vec![b'x'; 1_048_572]).await;
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(WAIT, socket.read_to_end(&mut rest)).await.unwrap();

    let largest = Bytes::from(vec![b'x'; IOT_MESSAGE_BYTES_MAX]);
    publish_once(broker.address(), "a", largest, QoS::AtLeastOnce).await.unwrap();
    assert_eq!(broker.event().await, "{\"t\":\"a\"}");
    assert_eq!(broker.rules.counts().published, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_port_is_a_sentence() {
    let first = Broker::start("127.0.0.1:0", "SELECT * FROM 'a'").await;
    let address = first.address().to_string();
    let (sender, _events) = mpsc::channel(1);
    let sink = Arc::new(Events(sender));
    let error = IotRules::start(config(&[&address], "SELECT * FROM 'a'"), sink.clone()).await.err().unwrap();
    assert_eq!(error.to_string(), format!("mqtt address {address} is already in use"));
    assert!(matches!(error, StartError::AddressInUse { .. }));

    // Once the first is gone the port is free at once.
    first.rules.shutdown().await;
    let again = IotRules::start(config(&[&address], "SELECT * FROM 'a'"), sink).await.unwrap();
    assert_eq!(again.local_addr().to_string(), address);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_refusals_at_start() {
    let (sender, _events) = mpsc::channel(1);
    let sink = Arc::new(Events(sender));
    for (addresses, sql, expected) in [
        (&[][..], "SELECT * FROM 'a'", "no mqtt address is given"),
        (&["127.0.0.1:0"], "SELECT get_secret('a') AS a FROM 'a'", "rule r: get_secret asks another service"),
        (&["192.0.2.1:1883"], "SELECT * FROM 'a'", "cannot listen on mqtt address 192.0.2.1:1883: "),
    ] {
        let error = IotRules::start(config(addresses, sql), sink.clone()).await.err().unwrap().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_addresses_share_a_port() {
    let (sender, events) = mpsc::channel(10);
    // 127.0.0.2 is loopback too, and there even where IPv6 is not.
    let config = config(&["127.0.0.1:0", "127.0.0.2:0"], "SELECT * FROM 'a'");
    let rules = IotRules::start(config, Arc::new(Events(sender))).await.unwrap();
    let mut broker = Broker { rules, events };
    let [first, second] = broker.rules.addresses() else { panic!("{:?}", broker.rules.addresses()) };
    assert_eq!(first.port(), second.port());
    assert_ne!(first.port(), 0);
    for (address, payload) in [(*first, "{\"n\":1}"), (*second, "{\"n\":2}")] {
        publish_once(address, "a", Bytes::from_static(payload.as_bytes()), QoS::AtMostOnce).await.unwrap();
        assert_eq!(broker.event().await, payload);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_arrives_in_order_and_whole() {
    let mut broker = Broker::start("127.0.0.1:0", "SELECT n FROM 'a'").await;
    let device = client(broker.address(), "device", ProtocolVersion::V5).await;
    for n in 0..2_000 {
        device.publish_qos("a", format!("{{\"n\":{n}}}"), mqtt5::QoS::AtMostOnce).await.unwrap();
    }
    for n in 0..2_000 {
        assert_eq!(broker.event().await, format!("{{\"n\":{n}}}"));
    }
    device.disconnect().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_connection_does_not_hold_up_the_end() {
    let broker = Broker::start("127.0.0.1:0", "SELECT * FROM 'a'").await;
    let address = broker.address();
    let idle = client(address, "idle", ProtocolVersion::V5).await;
    let silent = TcpStream::connect(address).await.unwrap();
    let started = std::time::Instant::now();
    let counts = tokio::time::timeout(WAIT, broker.rules.shutdown()).await.unwrap();
    // The broker itself would give a connection ten seconds to say something.
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    assert_eq!(counts, Counts::default());
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    drop((silent, idle));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_client_cannot_publish() {
    // A port that is taken, so that no other program gets it, and on which nobody listens.
    let taken = TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody = taken.local_addr().unwrap();
    for topic in ["", "a/+", "#"] {
        let error = publish_once(nobody, topic, Bytes::new(), QoS::AtMostOnce).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("topic {topic:?} cannot be published to: it is empty, has a + or #, or is too long")
        );
    }
    let large = Bytes::from(vec![0; IOT_MESSAGE_BYTES_MAX + 1]);
    let error = publish_once(nobody, "a", large, QoS::AtMostOnce).await.unwrap_err();
    assert_eq!(error.to_string(), "payload has 131073 bytes; at most 131072 can be published");
    let error = publish_once(nobody, "a", Bytes::new(), QoS::AtMostOnce).await.unwrap_err();
    assert!(matches!(error, PublishError::Broker { address, .. } if address == nobody), "{error}");
    assert!(error.to_string().starts_with(&format!("publish to {nobody} failed: ")), "{error}");
}

/// Everything that a subscriber gets, in order.
async fn subscribe(client: &MqttClient, filter: &str) -> mpsc::Receiver<mqtt5::Message> {
    let (sender, received) = mpsc::channel(100);
    client
        .subscribe(filter, move |message| {
            let _ = sender.try_send(message);
        })
        .await
        .unwrap();
    received
}

async fn next<T>(received: &mut mpsc::Receiver<T>) -> T {
    tokio::time::timeout(WAIT, received.recv()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn republished_events_reach_subscribers_and_other_rules() {
    let republish = Republish {
        topic: "out/${topic(2)}".to_owned(),
        at_least_once: true,
        headers: Headers {
            payload_format_indicator: Some("UTF8_DATA".to_owned()),
            content_type: Some("application/json".to_owned()),
            response_topic: Some("answers/${clientid()}".to_owned()),
            correlation_data: Some("aGk=".to_owned()),
            message_expiry: Some("60".to_owned()),
            user_properties: vec![("v".to_owned(), "${v}".to_owned())],
        },
    };
    let mut broker = Broker::with_rules(vec![
        rule("first", "SELECT v FROM 'in/+'", vec![Action::Republish(republish)]),
        rule("second", "SELECT *, topic() AS t FROM 'out/#'", vec![lambda("f")]),
    ])
    .await;
    let subscriber = client(broker.address(), "s", ProtocolVersion::V5).await;
    let mut received = subscribe(&subscriber, "out/#").await;
    broker.publish("in/x", r#"{"v":7,"w":8}"#).await;
    let message = next(&mut received).await;
    assert_eq!((message.topic.as_str(), &message.payload[..]), ("out/x", &br#"{"v":7}"#[..]));
    let properties = message.properties;
    assert_eq!(properties.content_type.as_deref(), Some("application/json"));
    assert!(properties.response_topic.unwrap().starts_with("answers/dunlin-"));
    assert_eq!(properties.correlation_data.as_deref(), Some(&b"hi"[..]));
    assert_eq!(properties.payload_format_indicator, Some(true));
    assert!(properties.user_properties.contains(&("v".to_owned(), "7".to_owned())));
    assert_eq!(broker.event().await, r#"{"v":7,"t":"out/x"}"#);
    subscriber.disconnect().await.unwrap();
    let counts = broker.rules.shutdown().await;
    assert_eq!(counts, Counts { published: 1, delivered: 2, ..Counts::default() });
}

/// Two rules that feed each other end, and say so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_in_a_circle_end() {
    let to = |topic: &str| Action::Republish(Republish { topic: topic.to_owned(), ..Republish::default() });
    let mut there = rule("there", "SELECT * FROM 'a'", vec![to("b")]);
    there.error_action = Some(lambda("f"));
    let mut broker = Broker::with_rules(vec![there, rule("back", "SELECT * FROM 'b'", vec![to("a")])]).await;
    broker.publish("a", "{}").await;
    let told: serde_json::Value = serde_json::from_str(&broker.event().await).unwrap();
    assert_eq!(
        told["failures"][0]["errorMessage"],
        format!("the message was republished {REPUBLISH_DEPTH_MAX} times already; do rules feed each other?")
    );
    let counts = broker.rules.shutdown().await;
    let around = u64::from(REPUBLISH_DEPTH_MAX);
    assert_eq!(
        counts,
        Counts { published: 1, delivered: around + 1, failed: 1, dropped: 1, ..Counts::default() }
    );
}

/// Basic Ingest goes to its rule and to no subscriber.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn basic_ingest_passes_the_broker_by() {
    let mut broker = Broker::start("127.0.0.1:0", "SELECT *, topic() AS t FROM 'a/+'").await;
    let subscriber = client(broker.address(), "s", ProtocolVersion::V5).await;
    let mut everything = subscribe(&subscriber, "#").await;
    let mut reserved = subscribe(&subscriber, "$aws/#").await;
    broker.publish("$aws/rules/r/a/x", r#"{"n":1}"#).await;
    assert_eq!(broker.event().await, r#"{"n":1,"t":"a/x"}"#);
    // What comes next on the same connection was published later.
    broker.publish("a/y", r#"{"n":2}"#).await;
    assert_eq!(broker.event().await, r#"{"n":2,"t":"a/y"}"#);
    assert_eq!(next(&mut everything).await.topic, "a/y");
    assert!(reserved.try_recv().is_err() && everything.try_recv().is_err());
    subscriber.disconnect().await.unwrap();
}

/// A retained message runs the rules when it is published, and never again; late subscribers get it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retained_messages() {
    let mut broker = Broker::start("127.0.0.1:0", "SELECT * FROM 'a'").await;
    let device = client(broker.address(), "device", ProtocolVersion::V311).await;
    for payload in [r#"{"v":1}"#, r#"{"v":2}"#] {
        device.publish_retain("a", payload).await.unwrap();
        assert_eq!(broker.event().await, payload);
    }
    let late = client(broker.address(), "late", ProtocolVersion::V5).await;
    let mut received = subscribe(&late, "a").await;
    let message = next(&mut received).await;
    assert_eq!((&message.payload[..], message.retain), (&br#"{"v":2}"#[..], true));
    for client in [device, late] {
        client.disconnect().await.unwrap();
    }
    let counts = broker.rules.shutdown().await;
    assert_eq!((counts.published, counts.delivered), (2, 2));
}

/// The will of a device that vanishes is a message like any other; that of one that says goodbye is nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_wills_run_the_rules() {
    let mut broker =
        Broker::start("127.0.0.1:0", "SELECT *, topic() AS t, clientid() AS c FROM 'gone/+'").await;
    for (name, goodbye) in [("polite", true), ("lost", false)] {
        // CONNECT with a will: topic `gone/NAME`, payload `{}`, QoS 0
        let topic = format!("gone/{name}");
        let mut body = b"\x00\x04MQTT\x04\x06\x00\x3c".to_vec();
        for text in [name, &topic, "{}"] {
            body.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
            body.extend(text.as_bytes());
        }
        let mut socket = TcpStream::connect(broker.address()).await.unwrap();
        socket.write_all(&[&[0x10, u8::try_from(body.len()).unwrap()], &body[..]].concat()).await.unwrap();
        let mut connack = [0; 4];
        tokio::time::timeout(WAIT, socket.read_exact(&mut connack)).await.unwrap().unwrap();
        if goodbye {
            socket.write_all(b"\xe0\x00").await.unwrap();
            let mut rest = Vec::new();
            let _ = tokio::time::timeout(WAIT, socket.read_to_end(&mut rest)).await.unwrap();
        }
    }
    assert_eq!(broker.event().await, r#"{"t":"gone/lost","c":"lost"}"#);
    let counts = broker.rules.shutdown().await;
    assert_eq!(counts, Counts { published: 1, delivered: 1, ..Counts::default() });
}

/// What the service does not take, the broker does not take (S11).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_and_qualities_of_the_service() {
    let mut broker = Broker::start("127.0.0.1:0", "SELECT * FROM '#'").await;
    let device = client(broker.address(), "device", ProtocolVersion::V5).await;
    let deep = device.publish_qos("1/2/3/4/5/6/7/8/9", "{}", mqtt5::QoS::AtLeastOnce).await;
    assert!(deep.is_err(), "{deep:?}");
    // The client keeps to the quality that the broker has announced.
    let sent = device.publish_qos("a", r#"{"n":0}"#, mqtt5::QoS::ExactlyOnce).await.unwrap();
    assert!(matches!(sent, PublishResult::Sent(Delivery::AtLeastOnce { .. })), "{sent:?}");
    assert_eq!(broker.event().await, r#"{"n":0}"#);
    device.publish_qos("1/2/3/4/5/6/7/8", r#"{"n":1}"#, mqtt5::QoS::AtLeastOnce).await.unwrap();
    assert_eq!(broker.event().await, r#"{"n":1}"#);
    device.disconnect().await.unwrap();
}
