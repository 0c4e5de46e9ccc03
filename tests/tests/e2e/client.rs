//! A WebSocket client that waits for what it expects, and an MQTT publisher.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use mqtt5::{MqttClient, QoS};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, protocol::CloseFrame},
};

use crate::stack::Stack;

/// No single step of a test takes longer, even with every other test running beside it.
pub(crate) const STEP_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    pub(crate) async fn connect(stack: &Stack) -> Self {
        Self::try_connect(stack.api("ws")).await.unwrap()
    }

    pub(crate) async fn try_connect(url: &str) -> Result<Self, Error> {
        let (socket, _) =
            timeout(STEP_TIMEOUT, connect_async(url)).await.expect("the handshake takes too long")?;
        if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
            stream.set_nodelay(true).unwrap();
        }
        Ok(Client(socket))
    }

    /// Connects to `address` under another name, with these headers besides.
    pub(crate) async fn try_as(
        host: &str,
        path: &str,
        address: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut request = format!("ws://{host}{path}").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let handshake = client_async(request, MaybeTlsStream::Plain(stream));
        let (socket, _) = timeout(STEP_TIMEOUT, handshake).await.expect("the handshake takes too long")?;
        Ok(Client(socket))
    }

    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        self.send_message(Message::text(text.into())).await;
    }

    pub(crate) async fn send_message(&mut self, message: Message) {
        timeout(STEP_TIMEOUT, self.0.send(message)).await.expect("a send takes too long").unwrap();
    }

    /// The next message of any kind; pings and pongs are passed over.
    pub(crate) async fn message(&mut self) -> Result<Message, Error> {
        loop {
            let next = timeout(STEP_TIMEOUT, self.0.next()).await.expect("nothing arrived");
            match next.expect("the stream ended without a close frame") {
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                other => return other,
            }
        }
    }

    /// The next message, which must be text.
    pub(crate) async fn text(&mut self) -> String {
        match self.message().await.unwrap() {
            Message::Text(text) => text.as_str().to_owned(),
            other => panic!("text is expected, not {other:?}"),
        }
    }

    /// The next message, which must be JSON.
    pub(crate) async fn json(&mut self) -> Value {
        let text = self.text().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The close frame, which must come next.
    pub(crate) async fn closed(&mut self) -> Option<CloseFrame> {
        match self.message().await.unwrap() {
            Message::Close(frame) => frame,
            other => panic!("a close frame is expected, not {other:?}"),
        }
    }

    /// Replaces the list of devices and returns the reply; pushes that come before it are returned too.
    pub(crate) async fn follow(&mut self, devices: &[&str]) -> (Value, Vec<Value>) {
        self.send(serde_json::json!({"action": "set_notify_list", "device_ids": devices}).to_string()).await;
        let mut pushes = Vec::new();
        loop {
            let message = self.json().await;
            match message["type"].as_str() {
                Some("parameters") => pushes.push(message),
                _ => return (message, pushes),
            }
        }
    }

    /// That nothing is on its way to this client: what it asks for now is what it gets next.
    pub(crate) async fn assert_silent(&mut self) {
        self.send(r#"{"action":"nothing of the kind"}"#).await;
        let next = self.json().await;
        assert_eq!(next["error"]["code"], "unknown_action", "something else was on its way");
    }

    /// Closes with a code and waits for the answer.
    pub(crate) async fn close(mut self) {
        timeout(STEP_TIMEOUT, self.0.close(None)).await.unwrap().unwrap();
        while let Ok(Some(Ok(_))) = timeout(STEP_TIMEOUT, self.0.next()).await {}
    }
}

/// A device: publishes over MQTT.
pub(crate) struct Device(MqttClient);

impl Device {
    pub(crate) async fn connect(stack: &Stack) -> Self {
        let broker: SocketAddr = stack.text("mqtt").parse().unwrap();
        let client = MqttClient::new(format!("device-{}", stack.pid()));
        timeout(STEP_TIMEOUT, client.connect(&broker.to_string())).await.unwrap().unwrap();
        Device(client)
    }

    /// Publishes `{"version", "payload": {"value": {"t"}}}` as `device`, confirmed by the broker.
    pub(crate) async fn update(&self, device: &str, version: u64, t: f64) {
        let update = serde_json::json!({"version": version, "payload": {"value": {"t": t}}});
        self.publish(device, update.to_string()).await;
    }

    pub(crate) async fn publish(&self, device: &str, payload: impl Into<Vec<u8>>) {
        let topic = format!("devices/{device}/parameters");
        let publish = self.0.publish_qos(topic, payload.into(), QoS::AtLeastOnce);
        timeout(STEP_TIMEOUT, publish).await.expect("a publish takes too long").unwrap();
    }
}

/// The push that a follower gets for an update of [`Device::update`].
pub(crate) fn push(device: &str, version: u64, t: f64) -> Value {
    serde_json::json!({"type": "parameters", "device_id": device, "version": version, "value": {"t": t}})
}
