//! Items of the table: keys, and attributes as they are written. How they are read is in [`read`](crate::read).

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use dunlin_connection_store::{Connection, Shard, Subscription, Topic, TopicShard};
use dunlin_events::ConnectionId;

pub(crate) const PK: &str = "pk";
pub(crate) const SK: &str = "sk";
/// The table's time-to-live attribute, in epoch seconds.
pub(crate) const EXPIRES_AT: &str = "expires_at";
pub(crate) const CONNECTED_AT: &str = "connected_at";
pub(crate) const PRINCIPAL: &str = "principal";
pub(crate) const TOPICS: &str = "topics";
pub(crate) const PENDING: &str = "pending";
pub(crate) const LIST_VERSION: &str = "list_version";
pub(crate) const WRITERS: &str = "writers";
pub(crate) const VERSION: &str = "version";
pub(crate) const PAYLOAD: &str = "payload";
pub(crate) const SHARD_COUNT: &str = "shard_count";
pub(crate) const SUBSCRIBER_ESTIMATE: &str = "subscriber_estimate";

pub(crate) type Item = HashMap<String, AttributeValue>;

/// A key of the table; ordered, so that a set of keys has no duplicates (a batch must not have any).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    pub(crate) fn connection(id: &ConnectionId) -> Self {
        Self { pk: format!("C#{id}"), sk: "C".to_owned() }
    }

    pub(crate) fn row(place: &TopicShard, id: &ConnectionId) -> Self {
        Self { pk: partition_of(&place.topic, place.shard), sk: id.as_str().to_owned() }
    }

    pub(crate) fn subscription(subscription: &Subscription) -> Self {
        Self::row(&subscription.place, &subscription.connection_id)
    }

    pub(crate) fn head(topic: &Topic) -> Self {
        Self { pk: format!("H#{topic}"), sk: "H".to_owned() }
    }

    /// The key of an item that the table returned with it.
    pub(crate) fn of(item: &Item) -> Self {
        let text = |name| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
        Self { pk: text(PK), sk: text(SK) }
    }

    pub(crate) fn into_item(self) -> Item {
        HashMap::from([(PK.to_owned(), string(self.pk)), (SK.to_owned(), string(self.sk))])
    }
}

/// The partition of a topic's shard.
pub(crate) fn partition_of(topic: &Topic, shard: Shard) -> String {
    format!("S#{shard}#{topic}")
}

/// The item of a new connection that follows nothing.
pub(crate) fn new_connection(connection: &Connection) -> Item {
    let mut item = Key::connection(&connection.id).into_item();
    item.insert(CONNECTED_AT.to_owned(), number(connection.connected_at.epoch_ms()));
    item.insert(EXPIRES_AT.to_owned(), number(connection.expires_at.ceil_to_second().epoch_s()));
    item.insert(LIST_VERSION.to_owned(), number(0));
    item.insert(TOPICS.to_owned(), places([]));
    if let Some(principal) = &connection.principal {
        item.insert(PRINCIPAL.to_owned(), string(principal));
    }
    item
}

/// The row that says that the connection follows the topic.
pub(crate) fn row(place: &TopicShard, connection: &Connection) -> Item {
    let mut item = Key::row(place, &connection.id).into_item();
    item.insert(CONNECTED_AT.to_owned(), number(connection.connected_at.epoch_ms()));
    item.insert(EXPIRES_AT.to_owned(), number(connection.expires_at.epoch_s()));
    item
}

pub(crate) fn string(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(crate) fn binary(bytes: &Bytes) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes.to_vec()))
}

pub(crate) fn strings<'a>(texts: impl IntoIterator<Item = &'a String>) -> AttributeValue {
    AttributeValue::L(texts.into_iter().map(string).collect())
}

/// Topics with their shards, each as `{shard}#{topic}`.
pub(crate) fn places<'a>(places: impl IntoIterator<Item = &'a TopicShard>) -> AttributeValue {
    let text = |place: &TopicShard| string(format!("{}#{}", place.shard, place.topic));
    AttributeValue::L(places.into_iter().map(text).collect())
}
