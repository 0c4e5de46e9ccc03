use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

use crate::Text;

/// What routing and most handlers read of a [`WebSocketEvent`](crate::WebSocketEvent). The rest is skipped unread, which
/// takes less time than to parse it all.
///
/// ```
/// use dunlin_events::EventHead;
///
/// let head: EventHead<'_> = serde_json::from_str(
///     r#"{"requestContext":{"routeKey":"ping","connectionId":"Zk3pQdXMDoECEeg=","stage":"dev"},"body":"{}"}"#,
/// )?;
/// assert_eq!(head.request_context.route_key.as_deref(), Some("ping"));
/// assert_eq!(head.body()?.as_deref(), Some("{}"));
/// # Ok::<(), serde_json::Error>(())
/// ```
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
    #[serde(borrow, default, deserialize_with = "text_or_null")]
    pub route_key: Option<Text<'a>>,
    /// Milliseconds since 1970, the same for the life of the connection.
    #[serde(default)]
    pub connected_at: Option<u64>,
    /// New for each event.
    #[serde(borrow, default, deserialize_with = "text_or_null")]
    pub request_id: Option<Text<'a>>,
    /// Kept as text: a handler answers 400 to one that is missing or malformed rather than failing to parse.
    #[serde(borrow, default, deserialize_with = "text_or_null")]
    pub connection_id: Option<Text<'a>>,
}

/// `Option<Text>` in one step: serde's own `Option` looks at each value once more.
fn text_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Text<'de>>, D::Error> {
    struct Visitor;
    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Option<Text<'de>>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }
        fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
            Ok(Some(Text::from(text)))
        }
        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(Text::from(text.to_owned())))
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
    deserializer.deserialize_any(Visitor)
}
