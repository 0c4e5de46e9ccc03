use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{EventType, Text};

/// What routing and most handlers read of a [`WebSocketEvent`](crate::WebSocketEvent). The rest is skipped unread, which
/// takes less time than to parse it all.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventHead<'a> {
    /// Which connection, which route.
    #[serde(borrow)]
    pub request_context: ContextHead<'a>,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
    /// `false` in every dump of the real service (R11).
    #[serde(default)]
    pub is_base64_encoded: bool,
}

impl<'a> EventHead<'a> {
    /// Exactly the text received; MESSAGE only (E3).
    ///
    /// # Errors
    /// A body that is not a string.
    pub fn body(&self) -> Result<Option<Text<'a>>, serde_json::Error> {
        self.body.map(|body| Text::from_json(body.get())).transpose()
    }

    /// Bytes of the body as JSON, which are never fewer than those of the text; 0 without one.
    pub fn body_json_bytes(&self) -> usize {
        self.body.map_or(0, |body| body.get().len())
    }
}

/// The part of [`RequestContext`](crate::RequestContext) that an [`EventHead`] has; see there.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextHead<'a> {
    /// The route that was selected; `$default` for a fallback.
    #[serde(borrow, default)]
    pub route_key: Option<Text<'a>>,
    /// What happened.
    #[serde(default)]
    pub event_type: Option<EventType>,
    /// The stage's own name, under a custom domain too (H5).
    #[serde(borrow, default)]
    pub stage: Option<Text<'a>>,
    /// Milliseconds since 1970, the same for the life of the connection.
    #[serde(default)]
    pub connected_at: Option<u64>,
    /// Who the client is.
    #[serde(borrow, default)]
    pub identity: Option<IdentityHead<'a>>,
    /// New for each event.
    #[serde(borrow, default)]
    pub request_id: Option<Text<'a>>,
    /// The host that the client used.
    #[serde(borrow, default)]
    pub domain_name: Option<Text<'a>>,
    /// Kept as text: a handler answers 400 to one that is missing or malformed rather than failing to parse.
    #[serde(borrow, default)]
    pub connection_id: Option<Text<'a>>,
}

/// The part of [`Identity`](crate::Identity) that an [`EventHead`] has.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityHead<'a> {
    /// The client's address.
    #[serde(borrow, default)]
    pub source_ip: Option<Text<'a>>,
}
