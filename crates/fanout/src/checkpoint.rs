//! Where a pass that was cut short goes on.

use dunlin_connection_store::{SUBSCRIBERS_PAGE_MAX, Shard, Timestamp, Topic};
use dunlin_events::ConnectionId;
use serde::{Deserialize, Serialize};

use crate::{POSTS_IN_FLIGHT_LIMIT, RETRIES_WAITING_LIMIT};

/// The most subscribers that a checkpoint names: those who wait for another attempt, those in flight, and those whose turn
/// did not come, of which the next page is read when no more are left than may be in flight.
pub const MISSED_MAX: usize = RETRIES_WAITING_LIMIT + 2 * POSTS_IN_FLIGHT_LIMIT + SUBSCRIBERS_PAGE_MAX;

/// Where a pass that was cut short goes on: [`Fanout::resume`](crate::Fanout::resume) takes it, in this process or another.
///
/// It covers every subscriber whom the pass left without an answer that settles the matter, and nobody whom it served
/// or found gone. It is plain data, as JSON some hundred kilobytes at most with the default bounds, and for any bounds
/// small enough for an asynchronous invocation (fact N4). It names connections to post to: take it only from where the
/// application itself put it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The topic of the update.
    pub topic: Topic,
    /// The version of the update.
    pub version: u64,
    /// Where enumeration goes on; `None` if everyone was found.
    pub position: Option<Position>,
    /// Who was found before that position, and not reached: whose turn did not come, who was tried in vain, or whose post
    /// was in flight at the end and may have arrived. At most [`MISSED_MAX`].
    pub missed: Vec<Missed>,
}

/// A place in the enumeration of a topic's subscribers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The shard; those before it are done.
    pub shard: Shard,
    /// The token of the page to go on with, which for the stores of this workspace is the last connection id of the page
    /// before; `None` for the first page.
    pub after: Option<String>,
}

/// A subscriber who was found, and not reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// The connection.
    pub connection_id: ConnectionId,
    /// The shard of its row.
    pub shard: Shard,
    /// When the connection was made.
    pub connected_at: Timestamp,
}

/// Why a checkpoint cannot be gone on from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCheckpoint {
    /// It was made for another update.
    #[error("it is of version {version} of {topic}")]
    OtherUpdate {
        /// The topic that it was made for.
        topic: Topic,
        /// The version that it was made for.
        version: u64,
    },
    /// It names more subscribers than any pass leaves.
    #[error("it names {found} subscribers, and no pass leaves more than {MISSED_MAX}")]
    TooMany {
        /// How many it names.
        found: usize,
    },
}

impl Checkpoint {
    pub(crate) fn check(&self, topic: &Topic, version: u64) -> Result<(), InvalidCheckpoint> {
        if (&self.topic, self.version) != (topic, version) {
            return Err(InvalidCheckpoint::OtherUpdate { topic: self.topic.clone(), version: self.version });
        }
        match self.missed.len() {
            0..=MISSED_MAX => Ok(()),
            found => Err(InvalidCheckpoint::TooMany { found }),
        }
    }
}

impl Position {
    /// Before the first subscriber of the first shard.
    pub(crate) const START: Self = Self::at(Shard::new(0));

    /// Before the first subscriber of this shard.
    pub(crate) const fn at(shard: Shard) -> Self {
        Self { shard, after: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed(n: usize) -> Missed {
        Missed {
            connection_id: format!("L0SM9cOFvH{n:05}=").parse().unwrap(),
            shard: Shard::new(255),
            connected_at: Timestamp::from_epoch_ms(1_760_000_000_000),
        }
    }

    fn checkpoint(count: usize) -> Checkpoint {
        Checkpoint {
            topic: "dev-1".parse().unwrap(),
            version: 7,
            position: Some(Position { shard: Shard::new(3), after: Some("c9".to_owned()) }),
            missed: (0..count).map(missed).collect(),
        }
    }

    #[test]
    fn travels_as_json() {
        let json = serde_json::to_string(&checkpoint(1)).unwrap();
        assert_eq!(
            json,
            concat!(
                r#"{"topic":"dev-1","version":7,"position":{"shard":3,"after":"c9"},"#,
                r#""missed":[{"connection_id":"L0SM9cOFvH00000=","shard":255,"connected_at":1760000000000}]}"#
            )
        );
        assert_eq!(serde_json::from_str::<Checkpoint>(&json).unwrap(), checkpoint(1));
        assert!(serde_json::from_str::<Checkpoint>(&json.replace("L0S", "L/S")).is_err(), "ids are checked");
    }

    #[test]
    fn the_largest_fits_an_asynchronous_invocation() {
        let json = serde_json::to_string(&checkpoint(MISSED_MAX)).unwrap();
        assert!(json.len() < dunlin_events::limits::INVOKE_EVENT_BYTES_MAX, "{}", json.len());
    }

    #[test]
    fn is_of_one_update_and_bounded() {
        let topic: Topic = "dev-1".parse().unwrap();
        assert_eq!(checkpoint(MISSED_MAX).check(&topic, 7), Ok(()));
        let sentence = |checkpoint: Checkpoint, topic: &Topic, version| {
            checkpoint.check(topic, version).unwrap_err().to_string()
        };
        assert_eq!(sentence(checkpoint(0), &topic, 8), "it is of version 7 of dev-1");
        assert_eq!(sentence(checkpoint(0), &"dev-2".parse().unwrap(), 7), "it is of version 7 of dev-1");
        assert_eq!(
            sentence(checkpoint(MISSED_MAX + 1), &topic, 7),
            "it names 11001 subscribers, and no pass leaves more than 11000"
        );
    }
}
