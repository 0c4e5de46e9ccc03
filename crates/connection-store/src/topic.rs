//! The name under which updates are published.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest topic, in characters (all of them ASCII). A topic is part of a partition key and is listed on
/// every connection that follows it, so it stays short; 128 is what device ids need.
pub const TOPIC_CHARS_MAX: usize = 128;

/// A topic: 1 to [`TOPIC_CHARS_MAX`] characters from `A-Z a-z 0-9 _ : . -`.
///
/// Cheap to clone. None of the characters needs escaping in a key, a URL path or a JSON string.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Topic(Arc<str>);

/// Why a text is not a [`Topic`]. The text itself is not repeated: it comes from outside and may be long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTopic {
    /// The text is empty.
    #[error("a topic needs at least one character")]
    Empty,
    /// The text is longer than [`TOPIC_CHARS_MAX`].
    #[error("a topic has at most {TOPIC_CHARS_MAX} characters, this one has {chars}")]
    TooLong {
        /// How many characters the text has.
        chars: usize,
    },
    /// The text holds a character that topics may not have.
    #[error("a topic has only letters, digits, '_', ':', '.' and '-', not {found:?}")]
    Character {
        /// The first such character.
        found: char,
    },
}

impl Topic {
    /// The topic as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Topic {
    type Err = InvalidTopic;

    fn from_str(text: &str) -> Result<Self, InvalidTopic> {
        if text.is_empty() {
            return Err(InvalidTopic::Empty);
        }
        if text.len() > TOPIC_CHARS_MAX {
            return Err(InvalidTopic::TooLong { chars: text.chars().count() });
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.' | '-');
        match text.chars().find(|&c| !allowed(c)) {
            Some(found) => Err(InvalidTopic::Character { found }),
            None => Ok(Self(text.into())),
        }
    }
}

impl TryFrom<String> for Topic {
    type Error = InvalidTopic;

    fn try_from(text: String) -> Result<Self, InvalidTopic> {
        text.parse()
    }
}

impl From<Topic> for String {
    fn from(topic: Topic) -> Self {
        topic.as_str().to_owned()
    }
}

impl AsRef<str> for Topic {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(), InvalidTopic>) {
        assert_eq!(text.parse::<Topic>().map(|topic| assert_eq!(topic.as_str(), text)), expected);
    }

    #[test]
    fn only_short_plain_names_are_topics() {
        check("dev-1", Ok(()));
        check("A:b_c.D-9", Ok(()));
        check(&"x".repeat(128), Ok(()));
        check("", Err(InvalidTopic::Empty));
        check(&"x".repeat(129), Err(InvalidTopic::TooLong { chars: 129 }));
        // 128 characters are too many bytes here, but the character is the better thing to name only when
        // the length in characters fits as well.
        check("a/b", Err(InvalidTopic::Character { found: '/' }));
        check("dev#1", Err(InvalidTopic::Character { found: '#' }));
        check("dév", Err(InvalidTopic::Character { found: 'é' }));
        check("a b", Err(InvalidTopic::Character { found: ' ' }));
    }

    #[test]
    fn a_topic_is_a_string_in_json_and_checked_there_too() {
        let topic: Topic = serde_json::from_str("\"dev-1\"").unwrap();
        assert_eq!(serde_json::to_string(&topic).unwrap(), "\"dev-1\"");
        let error = serde_json::from_str::<Topic>("\"dev 1\"").unwrap_err().to_string();
        assert!(error.contains("not ' '"), "{error}");
    }
}
