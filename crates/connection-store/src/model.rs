//! What the store keeps, and what its methods answer.

use std::time::Duration;

use bytes::Bytes;
use dunlin_events::{ConnectionId, limits};

use crate::{Shard, ShardCount, Timestamp, Topic};

/// How much longer than the service keeps a connection its rows live: room for a late clock and for the
/// last message of a connection that is being closed.
pub const EXPIRY_GRACE: Duration = Duration::from_secs(10 * 60);

/// A connection and the topics it follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The service's id of the connection.
    pub id: ConnectionId,
    /// Who connected, as the authorizer named it; `None` without an authorizer.
    pub principal: Option<String>,
    /// When the connection was made.
    pub connected_at: Timestamp,
    /// From when on the row counts as absent; stores keep it in whole seconds, rounded up.
    pub expires_at: Timestamp,
    /// The topics followed, each with the shard its row is in, in the order in which they were named.
    pub topics: Vec<TopicShard>,
    /// Counts the replacements that changed `topics`; 0 until the first one.
    pub list_version: u64,
}

impl Connection {
    /// A new connection that follows nothing and expires [`EXPIRY_GRACE`] after the service's longest connection.
    pub fn new(id: ConnectionId, connected_at: Timestamp) -> Self {
        Self {
            id,
            principal: None,
            connected_at,
            expires_at: (connected_at + limits::CONNECTION_LIFE_MAX + EXPIRY_GRACE).ceil_to_second(),
            topics: Vec::new(),
            list_version: 0,
        }
    }

    /// Whether the row still counts at `now`, in whole seconds as the table's time to live.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now.epoch_s() < self.expires_at.epoch_s()
    }
}

/// A topic and the shard of it in which a connection has its row.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicShard {
    /// The topic.
    pub topic: Topic,
    /// The shard, as computed when the row was written; the topic may have grown since.
    pub shard: Shard,
}

/// One row: that a connection follows a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subscription {
    /// Where the row is.
    pub place: TopicShard,
    /// Whose row it is.
    pub connection_id: ConnectionId,
}

/// What `replace_topics` did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replacement {
    /// Topics that were not followed before, in the order given.
    pub added: Vec<Topic>,
    /// Topics that are no longer followed, in the order of the old list.
    pub removed: Vec<Topic>,
    /// The whole new list: as given, each topic once.
    pub topics: Vec<Topic>,
}

/// The last update of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Version of the last update; only ever grows.
    pub version: u64,
    /// The frame that was, or is being, pushed for it.
    pub payload: Bytes,
    /// How many shards to enumerate.
    pub shard_count: ShardCount,
    /// How many subscribers the last complete pass found; `None` before one was recorded. A hint, never exact.
    pub subscriber_estimate: Option<u64>,
}

/// What `commit_head` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadCommit {
    /// The version was newer than the head, and is the head now.
    Committed(Head),
    /// The head already is this version with this payload: an earlier attempt at the same update committed it.
    /// Whether that attempt reached everyone is unknown.
    Repeated(Head),
    /// The head is newer, or has the same version with another payload; nothing was changed.
    Older {
        /// The version of the head.
        current: u64,
    },
}

/// A connection that follows a topic, as enumeration returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// The connection to post to.
    pub connection_id: ConnectionId,
    /// When it was made; one that is very young may answer 410 and yet be alive (fact C8).
    pub connected_at: Timestamp,
    /// From when on the row counts as absent.
    pub expires_at: Timestamp,
}

/// Where the next page starts. Opaque: valid for the store, the topic and the shard whose page returned it, and for as
/// long as the topic exists; the row at which a page ended may leave meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageToken(Box<str>);

impl PageToken {
    /// The page after this position in the order of the rows. For implementors of a store.
    pub fn after(position: impl Into<Box<str>>) -> Self {
        Self(position.into())
    }

    /// The position after which the page starts. For implementors of a store.
    pub fn position(&self) -> &str {
        &self.0
    }
}

/// One page of the subscribers of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriberPage {
    /// Live subscribers; there may be fewer than asked for, even none, although more pages follow.
    pub subscribers: Vec<Subscriber>,
    /// Where to go on; `None` after the last page.
    pub next: Option<PageToken>,
}
