use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use smol_str::SmolStr;

/// The id of a WebSocket connection. Opaque: compare it, store it, hand it back, never take it apart (E2).
///
/// The service's 16 characters are held in place, so that a copy allocates nothing.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ConnectionId(SmolStr);

/// What is not a connection id: empty, longer than 128 bytes, or with a character outside URL-safe base64.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("invalid connection id: 1 to {CONNECTION_ID_BYTES_MAX} characters of A-Z a-z 0-9 - _ = are expected")]
pub struct InvalidConnectionId;

/// Far above the service's 16 characters, since ids are opaque, and small enough for a key.
const CONNECTION_ID_BYTES_MAX: usize = 128;

/// Bytes in an id of the service's form: 16 characters, the last one `=` (E2).
const SERVICE_ID_BYTES: usize = 11;

impl ConnectionId {
    /// The id of a new connection, in the service's form.
    pub fn from_bytes(bytes: [u8; SERVICE_ID_BYTES]) -> Self {
        ConnectionId(opaque_id(bytes).into())
    }

    /// Whether a text can be an id: 1 to 128 characters of `A-Z a-z 0-9 - _ =`.
    pub fn is_valid(text: &str) -> bool {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'=');
        (1..=CONNECTION_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
    }

    /// The id as it travels.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the id has the service's form (E2). The management API answers 400 to others (C3).
    pub fn is_service_form(&self) -> bool {
        self.0.len() == 16
            && URL_SAFE.decode(self.0.as_bytes()).is_ok_and(|bytes| bytes.len() == SERVICE_ID_BYTES)
    }
}

/// Eleven bytes in the form of the service's connection, message and request ids (E2).
pub fn opaque_id(bytes: [u8; SERVICE_ID_BYTES]) -> String {
    URL_SAFE.encode(bytes)
}

impl FromStr for ConnectionId {
    type Err = InvalidConnectionId;
    fn from_str(text: &str) -> Result<Self, InvalidConnectionId> {
        if ConnectionId::is_valid(text) { Ok(ConnectionId(text.into())) } else { Err(InvalidConnectionId) }
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for ConnectionId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Serialize for ConnectionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ConnectionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::Text::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The route keys that mean something to the service itself.
pub struct RouteKey;

impl RouteKey {
    /// Runs before a connection exists and decides whether it will (H8).
    pub const CONNECT: &'static str = "$connect";
    /// Runs after a connection is gone, best effort (X1).
    pub const DISCONNECT: &'static str = "$disconnect";
    /// Takes every message that no other route takes (R4, R6).
    pub const DEFAULT: &'static str = "$default";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_ids_have_the_services_form() {
        let id = ConnectionId::from_bytes([0xff; 11]);
        assert_eq!(id.as_str(), "_____________________"[..14].to_owned() + "8=");
        assert!(id.is_service_form());
        assert!("Zk3pQdXMDoECEeg=".parse::<ConnectionId>().unwrap().is_service_form());
    }

    #[test]
    fn other_forms_are_kept_but_told_apart() {
        assert!(!"abc".parse::<ConnectionId>().unwrap().is_service_form());
        for bad in ["", "a b", "a/b", "ä", &"x".repeat(129)] {
            assert_eq!(bad.parse::<ConnectionId>(), Err(InvalidConnectionId), "{bad:?}");
        }
        assert!(serde_json::from_str::<ConnectionId>("\"a#b\"").is_err());
    }
}
