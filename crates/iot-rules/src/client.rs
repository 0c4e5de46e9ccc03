//! A client for one publish, for command lines and scripts.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use dunlin_events::limits::IOT_MESSAGE_BYTES_MAX;
use mqtt5::{ConnectOptions, MqttClient, PublishOptions, PublishResult};

/// How long [`publish_once`] may take in all.
pub const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);

/// How surely a publish arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QoS {
    /// At most once: written to the socket, not confirmed.
    AtMostOnce,
    /// At least once: confirmed by the broker.
    AtLeastOnce,
}

/// Why a publish failed.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The topic is empty, has a wildcard, or is longer than MQTT can say.
    #[error("topic {topic:?} cannot be published to: it is empty, has a + or #, or is too long")]
    Topic {
        /// As given.
        topic: String,
    },
    /// The payload is larger than [`IOT_MESSAGE_BYTES_MAX`].
    #[error("payload has {bytes} bytes; at most {IOT_MESSAGE_BYTES_MAX} can be published")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The broker cannot be reached, or broke off.
    #[error("publish to {address} failed: {message}")]
    Broker {
        /// The broker's address.
        address: SocketAddr,
        /// What the client said.
        message: String,
    },
    /// Nothing came within [`PUBLISH_TIMEOUT`].
    #[error("publish to {address} got no answer within {} s", PUBLISH_TIMEOUT.as_secs())]
    Timeout {
        /// The broker's address.
        address: SocketAddr,
    },
}

/// Connects to `address`, publishes once and disconnects.
///
/// # Errors
/// If the topic is not one, the payload is too large, the broker cannot be reached or refuses, or [`PUBLISH_TIMEOUT`] passes.
pub async fn publish_once(
    address: SocketAddr,
    topic: &str,
    payload: Bytes,
    qos: QoS,
) -> Result<(), PublishError> {
    if !mqtt5::is_valid_topic_name(topic) {
        return Err(PublishError::Topic { topic: topic.to_owned() });
    }
    if payload.len() > IOT_MESSAGE_BYTES_MAX {
        return Err(PublishError::TooLarge { bytes: payload.len() });
    }
    match tokio::time::timeout(PUBLISH_TIMEOUT, publish(address, topic, payload, qos)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(message)) => Err(PublishError::Broker { address, message }),
        Err(_) => Err(PublishError::Timeout { address }),
    }
}

async fn publish(address: SocketAddr, topic: &str, payload: Bytes, qos: QoS) -> Result<(), String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| error.to_string())?;
    // Two clients of one name would throw each other out.
    let id = format!("dunlin-{:016x}", u64::from_ne_bytes(random));
    let client = MqttClient::with_options(ConnectOptions::new(id).with_automatic_reconnect(false));
    client.connect(&address.to_string()).await.map_err(|error| error.to_string())?;
    let qos = match qos {
        QoS::AtMostOnce => mqtt5::QoS::AtMostOnce,
        QoS::AtLeastOnce => mqtt5::QoS::AtLeastOnce,
    };
    let options = PublishOptions { qos, ..PublishOptions::default() };
    match client.publish_with_options(topic, payload.to_vec(), options).await {
        Ok(PublishResult::Sent(_)) => client.disconnect().await.map_err(|error| error.to_string()),
        Ok(PublishResult::Queued(_)) => Err("the connection ended before the broker confirmed it".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
