//! What the authorizer left for the routes.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{FromRequest, HandlerError, Request, field, texts};

/// What the authorizer returned, as a type: `principalId` and its context (fact A5).
///
/// The service hands numbers and booleans on as texts; they are read as what the fields want. Take a
/// `serde_json::Map<String, Value>` to see all as it came. Without an authorizer it reads as `null`: take an `Option`
/// where a route works either way.
///
/// ```
/// use dunlin_handler::{Authorizer, Router, testing::{TestEvent, send}};
/// use serde::Deserialize;
/// use serde_json::{Map, Value, json};
///
/// #[derive(Deserialize)]
/// #[serde(rename_all = "camelCase")]
/// struct Caller { principal_id: String, level: u8 }
///
/// async fn whoami(Authorizer(caller): Authorizer<Caller>, Authorizer(all): Authorizer<Map<String, Value>>) -> String {
///     format!("{} of level {}, {} entries", caller.principal_id, caller.level, all.len())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut router = Router::new().route("whoami", whoami);
/// let event = TestEvent::message("whoami", "{}").authorizer(&json!({"principalId": "user-42", "level": "7"}));
/// assert_eq!(send(&mut router, event).await.body(), Some("user-42 of level 7, 2 entries"));
/// # }
/// ```
///
/// # Errors
/// `internal`: the template and the handler disagree on what the authorizer returns.
#[derive(Clone, Copy, Debug)]
pub struct Authorizer<T>(pub T);

impl<S, T: DeserializeOwned> FromRequest<S> for Authorizer<T> {
    fn from_request(request: &Request<'_>, _: &S) -> Result<Self, HandlerError> {
        let what = "the authorizer's context";
        let returned = request.event()?.request_context.authorizer.map_or("null", |raw| raw.get());
        match field::parse(what, returned) {
            Ok(typed) => Ok(Authorizer(typed)),
            Err(reason) => match serde_json::from_str::<Map<String, Value>>(returned) {
                Ok(entries) => {
                    texts::parse(what, entries.into_iter().map(|(key, value)| (key, vec![text(value)])))
                        .map(Authorizer)
                        .map_err(HandlerError::internal)
                }
                Err(_) => Err(HandlerError::internal(reason)),
            },
        }
    }
}

/// The value as the service prints it: a context holds texts, numbers and booleans only (fact A3).
fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
