use super::{EvaluateError, json};

/// A message's payload, read as far as a statement needs.
pub(super) enum Payload<'v> {
    /// Nothing of the statement looks inside.
    Unread,
    /// An object, with its entries in order.
    Object {
        /// Without space around it.
        text: &'v str,
        entries: json::Entries<'v>,
    },
    /// Other JSON.
    Other(&'v str),
}

impl<'v> Payload<'v> {
    /// Reads a payload that must be JSON.
    pub(super) fn read(payload: &'v [u8]) -> Result<Self, EvaluateError> {
        let text = std::str::from_utf8(payload).unwrap_or_default().trim_matches([' ', '\t', '\n', '\r']);
        // In the usual case one pass is enough. What is no object is looked at again for what is wrong with it.
        if let Some(entries) = json::entries(text) {
            return Ok(Self::Object { text, entries });
        }
        json::whole(payload).map(Self::Other).map_err(|problem| EvaluateError::NotJson { problem })
    }

    /// The value under a key; of several, the last.
    pub(super) fn get(&self, key: &str) -> Option<&'v str> {
        match self {
            Self::Object { entries, .. } => {
                entries.iter().rev().find(|(name, _)| name == key).map(|(_, value)| *value)
            }
            Self::Unread | Self::Other(_) => None,
        }
    }

    /// All of it, if it has been read.
    pub(super) fn text(&self) -> Option<&'v str> {
        match self {
            Self::Object { text, .. } | Self::Other(text) => Some(text),
            Self::Unread => None,
        }
    }
}
