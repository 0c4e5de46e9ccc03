use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{ListMap, Text, TextMap};

/// What a function behind a WebSocket route receives (section 4.1). Keys print in the observed order.
///
/// Everything but `requestContext` is optional on the way in, so that a test may send a minimal event; the
/// gateway fills what the service fills.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebSocketEvent<'a> {
    /// Headers of the handshake; on CONNECT, and a fixed few on DISCONNECT. Names keep their case (H20).
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<TextMap<'a>>,
    /// The same with every value (H21).
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub multi_value_headers: Option<ListMap<'a>>,
    /// Only on CONNECT, only if there was a query (H21).
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub query_string_parameters: Option<TextMap<'a>>,
    /// The same with every value.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub multi_value_query_string_parameters: Option<ListMap<'a>>,
    /// Only if the stage has any (U20).
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub stage_variables: Option<TextMap<'a>>,
    /// Which connection, which route, when.
    #[serde(borrow)]
    pub request_context: RequestContext<'a>,
    /// Exactly the text received; MESSAGE only (E3).
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Text<'a>>,
    /// `false` in every dump of the real service (R11).
    #[serde(default)]
    pub is_base64_encoded: bool,
}

/// `CONNECT`, `MESSAGE` or `DISCONNECT`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EventType {
    /// The handshake, before the connection exists.
    Connect,
    /// A message from the client.
    Message,
    /// The connection is gone.
    Disconnect,
}

/// `requestContext` (section 4.2).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestContext<'a> {
    /// The route that was selected; `$default` for a fallback.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub route_key: Option<Text<'a>>,
    /// The close code; DISCONNECT only (X3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disconnect_status_code: Option<u16>,
    /// What the authorizer returned, as it stands; only if one ran (A5).
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub authorizer: Option<&'a RawValue>,
    /// MESSAGE only.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<Text<'a>>,
    /// What happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<EventType>,
    /// Equal to `request_id`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub extended_request_id: Option<Text<'a>>,
    /// See [`request_time`](crate::request_time).
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub request_time: Option<Text<'a>>,
    /// Always `IN`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub message_direction: Option<Text<'a>>,
    /// The close reason, may be empty; DISCONNECT only (X3).
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub disconnect_reason: Option<Text<'a>>,
    /// The stage's own name, under a custom domain too (H5).
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Text<'a>>,
    /// Milliseconds since 1970, the same for the life of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected_at: Option<u64>,
    /// Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_time_epoch: Option<u64>,
    /// Who the client is, as far as the transport tells.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity<'a>>,
    /// New for each event.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Text<'a>>,
    /// The host that the client used.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub domain_name: Option<Text<'a>>,
    /// Kept as text: a handler answers 400 to one that is missing or malformed rather than failing to parse.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<Text<'a>>,
    /// The API's id.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub api_id: Option<Text<'a>>,
}

/// `requestContext.identity`: today these two; the nulls of events before 2021 are accepted and dropped (E1).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity<'a> {
    /// Absent if the client sent none.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<Text<'a>>,
    /// The client's address.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<Text<'a>>,
    /// With an API key only.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Text<'a>>,
    /// With an API key only.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub api_key_id: Option<Text<'a>>,
}
