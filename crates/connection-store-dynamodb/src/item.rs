//! Items of the table: keys, attributes, and reading them back.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use dunlin_connection_store::{
    Connection, Head, Shard, ShardCount, Subscriber, Subscription, Timestamp, Topic, TopicShard,
};
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
pub(crate) const WRITER: &str = "writer";
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

/// The connection item as it is in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionItem {
    pub(crate) connection: Connection,
    /// Rows whose writing was begun by the last replacements of the list and not yet known to be done.
    pub(crate) pending: Vec<TopicShard>,
    /// The call that wrote the list.
    pub(crate) writer: Option<String>,
}

/// The head item; `update` is absent while the topic has only been grown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeadItem {
    pub(crate) update: Option<(u64, Bytes)>,
    pub(crate) shard_count: ShardCount,
    pub(crate) subscriber_estimate: Option<u64>,
}

/// An item that this crate would not have written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("attribute {0:?} of an item is missing or malformed")]
pub(crate) struct MalformedItem(&'static str);

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
    item.insert(TOPICS.to_owned(), places(&[]));
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

impl ConnectionItem {
    pub(crate) fn read(id: &ConnectionId, item: &Item) -> Result<Self, MalformedItem> {
        let text = |name| item.get(name).and_then(|value| value.as_s().ok()).cloned();
        let connection = Connection {
            id: id.clone(),
            principal: text(PRINCIPAL),
            connected_at: Timestamp::from_epoch_ms(read_number(item, CONNECTED_AT)?),
            expires_at: Timestamp::from_epoch_s(read_number(item, EXPIRES_AT)?),
            topics: read_places(item, TOPICS)?,
            list_version: read_number(item, LIST_VERSION)?,
        };
        Ok(Self { connection, pending: read_places(item, PENDING)?, writer: text(WRITER) })
    }

    /// Every row that the connection has, or may have.
    pub(crate) fn places(&self) -> impl Iterator<Item = &TopicShard> {
        self.connection.topics.iter().chain(&self.pending)
    }
}

impl HeadItem {
    pub(crate) fn read(item: &Item) -> Result<Self, MalformedItem> {
        let update = match (item.get(VERSION), item.get(PAYLOAD)) {
            (None, None) => None,
            (_, payload) => {
                let payload =
                    payload.and_then(|payload| payload.as_b().ok()).ok_or(MalformedItem(PAYLOAD))?;
                Some((read_number(item, VERSION)?, Bytes::copy_from_slice(payload.as_ref())))
            }
        };
        Ok(Self {
            update,
            shard_count: read_shard_count(item)?,
            subscriber_estimate: match item.get(SUBSCRIBER_ESTIMATE) {
                Some(_) => Some(read_number(item, SUBSCRIBER_ESTIMATE)?),
                None => None,
            },
        })
    }

    pub(crate) fn into_head(self) -> Option<Head> {
        let (version, payload) = self.update?;
        let Self { shard_count, subscriber_estimate, .. } = self;
        Some(Head { version, payload, shard_count, subscriber_estimate })
    }
}

/// The shard count of a head item; a topic that was never grown has one shard.
pub(crate) fn read_shard_count(item: &Item) -> Result<ShardCount, MalformedItem> {
    if !item.contains_key(SHARD_COUNT) {
        return Ok(ShardCount::ONE);
    }
    u16::try_from(read_number(item, SHARD_COUNT)?)
        .ok()
        .and_then(|count| ShardCount::new(count).ok())
        .ok_or(MalformedItem(SHARD_COUNT))
}

pub(crate) fn read_subscriber(item: &Item) -> Result<Subscriber, MalformedItem> {
    let id = item.get(SK).and_then(|value| value.as_s().ok()).and_then(|text| text.parse().ok());
    Ok(Subscriber {
        connection_id: id.ok_or(MalformedItem(SK))?,
        connected_at: Timestamp::from_epoch_ms(read_number(item, CONNECTED_AT)?),
        expires_at: Timestamp::from_epoch_s(read_number(item, EXPIRES_AT)?),
    })
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

/// Topics with their shards, each as `{shard}#{topic}`.
pub(crate) fn places(places: &[TopicShard]) -> AttributeValue {
    AttributeValue::L(places.iter().map(|place| string(format!("{}#{}", place.shard, place.topic))).collect())
}

fn read_number(item: &Item, name: &'static str) -> Result<u64, MalformedItem> {
    let number = item.get(name).and_then(|value| value.as_n().ok());
    number.and_then(|number| number.parse().ok()).ok_or(MalformedItem(name))
}

fn read_places(item: &Item, name: &'static str) -> Result<Vec<TopicShard>, MalformedItem> {
    let Some(list) = item.get(name) else { return Ok(Vec::new()) };
    let read = |value: &AttributeValue| {
        let (shard, topic) = value.as_s().ok()?.split_once('#')?;
        Some(TopicShard { topic: topic.parse().ok()?, shard: Shard::new(shard.parse().ok()?) })
    };
    let list = list.as_l().ok().and_then(|list| list.iter().map(read).collect());
    list.ok_or(MalformedItem(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(shard: u16, topic: &str) -> TopicShard {
        TopicShard { topic: topic.parse().unwrap(), shard: Shard::new(shard) }
    }

    #[test]
    fn a_connection_reads_back_as_it_was_written() {
        let mut connection =
            Connection::new("L0SM9cOFvHcCIhw=".parse().unwrap(), Timestamp::from_epoch_ms(1_760_000_000_123));
        connection.principal = Some("alice".to_owned());
        let item = new_connection(&connection);
        let read = ConnectionItem::read(&connection.id, &item).unwrap();
        assert_eq!(read, ConnectionItem { connection: connection.clone(), pending: vec![], writer: None });
        assert_eq!(item[PK], string("C#L0SM9cOFvHcCIhw="));
        let row = row(&place(3, "dev:1"), &connection);
        assert_eq!((&row[PK], &row[SK]), (&string("S#3#dev:1"), &string("L0SM9cOFvHcCIhw=")));
        assert_eq!(read_subscriber(&row).unwrap().expires_at, connection.expires_at);
    }

    #[test]
    fn lists_keep_order_and_refuse_what_was_not_written_here() {
        let list = [place(0, "b"), place(255, "a")];
        let read = |value| read_places(&Item::from([(TOPICS.to_owned(), value)]), TOPICS);
        assert_eq!(read(places(&list)).unwrap(), list);
        assert_eq!(read(string("0#a")), Err(MalformedItem(TOPICS)));
        assert_eq!(read(AttributeValue::L(vec![string("a")])), Err(MalformedItem(TOPICS)));
        assert_eq!(read(AttributeValue::L(vec![string("x#a")])), Err(MalformedItem(TOPICS)));
    }

    #[test]
    fn a_grown_topic_has_no_head_yet() {
        let item = Item::from([(SHARD_COUNT.to_owned(), number(4))]);
        let head = HeadItem::read(&item).unwrap();
        assert_eq!(head.shard_count.get(), 4);
        assert_eq!(head.into_head(), None);
        let broken = Item::from([(VERSION.to_owned(), number(4))]);
        assert_eq!(HeadItem::read(&broken), Err(MalformedItem(PAYLOAD)));
        let broken = Item::from([(SHARD_COUNT.to_owned(), number(0))]);
        assert_eq!(HeadItem::read(&broken), Err(MalformedItem(SHARD_COUNT)));
    }
}
