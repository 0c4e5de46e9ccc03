//! `default`.

use dunlin_handler::{HandlerError, Text};
use serde_json::Value;

use crate::Role;

/// Most characters of an unknown action that its error quotes.
const QUOTED_CHARS_MAX: usize = 64;

/// Says what is wrong with a message that no route takes.
pub(crate) async fn default(Text(message): Text) -> HandlerError {
    let expected = Role::SetNotifyList.as_str();
    match serde_json::from_str::<Value>(&message) {
        Err(error) => HandlerError::invalid_body(format!("the message is not JSON: {error}")),
        Ok(message) => HandlerError::unknown_action(match &message["action"] {
            Value::Null => format!("the message has no \"action\"; the one known is {expected}"),
            Value::String(action) => {
                let quoted: String = action.chars().take(QUOTED_CHARS_MAX).collect();
                format!("there is no action {quoted:?}; the one known is {expected}")
            }
            _ => format!("\"action\" is not a text; the one known is {expected}"),
        }),
    }
}
