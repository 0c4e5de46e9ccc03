//! Reading items back, whoever wrote them.
//!
//! Unknown attributes are ignored and kept. What is missing, has another type or makes no sense is named, with the item
//! that has it; its value is not repeated, which may be long or secret.

use std::collections::BTreeSet;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use dunlin_connection_store::{
    Connection, Head, SHARD_COUNT_MAX, Shard, ShardCount, Subscriber, Timestamp, TopicShard,
};
use dunlin_events::ConnectionId;

use crate::item::{
    CONNECTED_AT, EXPIRES_AT, Item, Key, LIST_VERSION, PAYLOAD, PENDING, PRINCIPAL, SHARD_COUNT, SK,
    SUBSCRIBER_ESTIMATE, TOPICS, VERSION, WRITERS,
};

/// Characters of a key that an error repeats. The keys that are written here are shorter.
const KEY_CHARS_MAX: usize = 160;

/// An item that this crate would not have written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("item pk {pk:?}, sk {sk:?}: attribute {attribute:?} {problem}")]
pub(crate) struct MalformedItem {
    pk: String,
    sk: String,
    attribute: &'static str,
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("is missing")]
    Missing,
    #[error("is {found}, and should be {expected}")]
    Type { expected: &'static str, found: &'static str },
    #[error("should be {expected}")]
    Value { expected: String },
}

/// The connection item as it is in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionItem {
    pub(crate) connection: Connection,
    /// Rows whose writing was begun by the last replacements of the list and not yet known to be done.
    pub(crate) pending: BTreeSet<TopicShard>,
    /// The calls that wrote the last lists, the latest last.
    pub(crate) writers: Vec<String>,
}

/// The head item; `update` is absent while the topic has only been grown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeadItem {
    pub(crate) update: Option<(u64, Bytes)>,
    pub(crate) shard_count: ShardCount,
    pub(crate) subscriber_estimate: Option<u64>,
}

impl ConnectionItem {
    pub(crate) fn read(id: &ConnectionId, item: &Item) -> Result<Self, MalformedItem> {
        let fields = Fields { key: Key::connection(id), item };
        let connection = Connection {
            id: id.clone(),
            principal: fields.text(PRINCIPAL)?,
            connected_at: Timestamp::from_epoch_ms(fields.number(CONNECTED_AT)?),
            expires_at: Timestamp::from_epoch_s(fields.number(EXPIRES_AT)?),
            topics: fields.places(TOPICS)?,
            list_version: fields.number(LIST_VERSION)?,
        };
        let pending = fields.places(PENDING)?.into_iter().collect();
        Ok(Self { connection, pending, writers: fields.texts(WRITERS)? })
    }
}

/// Every row that the connection has, or may have, as far as its item can be read; and what cannot be.
pub(crate) fn places_of(id: &ConnectionId, item: &Item) -> (BTreeSet<TopicShard>, Option<MalformedItem>) {
    let fields = Fields { key: Key::connection(id), item };
    let mut places = BTreeSet::new();
    let mut odd = None;
    for name in [TOPICS, PENDING] {
        match item.get(name) {
            None => {}
            Some(AttributeValue::L(list)) => {
                for value in list {
                    match place(value) {
                        Some(place) => _ = places.insert(place),
                        None => odd = Some(fields.bad_place(name)),
                    }
                }
            }
            Some(other) => odd = Some(fields.wrong_type(name, "a list", other)),
        }
    }
    (places, odd)
}

impl HeadItem {
    pub(crate) fn read(key: Key, item: &Item) -> Result<Self, MalformedItem> {
        let fields = Fields { key, item };
        let update = match (item.get(VERSION), item.get(PAYLOAD)) {
            (None, None) => None,
            (_, Some(AttributeValue::B(payload))) => {
                Some((fields.number(VERSION)?, Bytes::copy_from_slice(payload.as_ref())))
            }
            (_, Some(other)) => return Err(fields.wrong_type(PAYLOAD, "binary", other)),
            (_, None) => return Err(fields.error(PAYLOAD, Problem::Missing)),
        };
        Ok(Self { update, shard_count: fields.shard_count()?, subscriber_estimate: fields.estimate() })
    }

    pub(crate) fn into_head(self) -> Option<Head> {
        let (version, payload) = self.update?;
        let Self { shard_count, subscriber_estimate, .. } = self;
        Some(Head { version, payload, shard_count, subscriber_estimate })
    }
}

/// How a topic is enumerated, whatever its last update is: the shard count, and the estimate.
pub(crate) fn shards_of(key: Key, item: &Item) -> Result<(ShardCount, Option<u64>), MalformedItem> {
    let fields = Fields { key, item };
    Ok((fields.shard_count()?, fields.estimate()))
}

/// A row of this partition.
pub(crate) fn subscriber(partition: &str, item: &Item) -> Result<Subscriber, MalformedItem> {
    let sk = item.get(SK).and_then(|sk| sk.as_s().ok()).cloned().unwrap_or_default();
    let id = ConnectionId::from_str(&sk);
    let fields = Fields { key: Key { pk: partition.to_owned(), sk }, item };
    Ok(Subscriber {
        connection_id: id.map_err(|_| fields.bad_value(SK, "a connection id".to_owned()))?,
        connected_at: Timestamp::from_epoch_ms(fields.number(CONNECTED_AT)?),
        expires_at: Timestamp::from_epoch_s(fields.number(EXPIRES_AT)?),
    })
}

/// An item together with its key, which is not always part of what was asked for.
struct Fields<'a> {
    key: Key,
    item: &'a Item,
}

impl Fields<'_> {
    fn number(&self, name: &'static str) -> Result<u64, MalformedItem> {
        match self.item.get(name) {
            Some(AttributeValue::N(number)) => number
                .parse()
                .map_err(|_| self.bad_value(name, format!("a whole number from 0 to {}", u64::MAX))),
            Some(other) => Err(self.wrong_type(name, "a number", other)),
            None => Err(self.error(name, Problem::Missing)),
        }
    }

    fn text(&self, name: &'static str) -> Result<Option<String>, MalformedItem> {
        match self.item.get(name) {
            None => Ok(None),
            Some(AttributeValue::S(text)) => Ok(Some(text.clone())),
            Some(other) => Err(self.wrong_type(name, "a string", other)),
        }
    }

    /// A list that is absent is empty.
    fn texts(&self, name: &'static str) -> Result<Vec<String>, MalformedItem> {
        match self.item.get(name) {
            None => Ok(Vec::new()),
            Some(AttributeValue::L(list)) => {
                let texts: Option<Vec<String>> = list.iter().map(|text| text.as_s().ok().cloned()).collect();
                texts.ok_or_else(|| self.bad_value(name, "a list of strings".to_owned()))
            }
            Some(other) => Err(self.wrong_type(name, "a list", other)),
        }
    }

    /// A list that is absent is empty.
    fn places(&self, name: &'static str) -> Result<Vec<TopicShard>, MalformedItem> {
        match self.item.get(name) {
            None => Ok(Vec::new()),
            Some(AttributeValue::L(list)) => {
                let places: Option<Vec<TopicShard>> = list.iter().map(place).collect();
                places.ok_or_else(|| self.bad_place(name))
            }
            Some(other) => Err(self.wrong_type(name, "a list", other)),
        }
    }

    /// A topic that was never grown has one shard.
    fn shard_count(&self) -> Result<ShardCount, MalformedItem> {
        if !self.item.contains_key(SHARD_COUNT) {
            return Ok(ShardCount::ONE);
        }
        let count =
            u16::try_from(self.number(SHARD_COUNT)?).ok().and_then(|count| ShardCount::new(count).ok());
        count.ok_or_else(|| self.bad_value(SHARD_COUNT, format!("1 to {SHARD_COUNT_MAX}")))
    }

    /// A hint is not worth an error.
    fn estimate(&self) -> Option<u64> {
        self.number(SUBSCRIBER_ESTIMATE).ok()
    }

    fn bad_place(&self, name: &'static str) -> MalformedItem {
        self.bad_value(name, "a list of strings of the form \"{shard}#{topic}\"".to_owned())
    }

    fn bad_value(&self, name: &'static str, expected: String) -> MalformedItem {
        self.error(name, Problem::Value { expected })
    }

    fn wrong_type(
        &self,
        name: &'static str,
        expected: &'static str,
        value: &AttributeValue,
    ) -> MalformedItem {
        self.error(name, Problem::Type { expected, found: type_of(value) })
    }

    fn error(&self, attribute: &'static str, problem: Problem) -> MalformedItem {
        let cut = |key: &str| match key.char_indices().nth(KEY_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &key[..end]),
            None => key.to_owned(),
        };
        MalformedItem { pk: cut(&self.key.pk), sk: cut(&self.key.sk), attribute, problem }
    }
}

fn place(value: &AttributeValue) -> Option<TopicShard> {
    let (shard, topic) = value.as_s().ok()?.split_once('#')?;
    let shard = shard.parse().ok().filter(|&shard| shard < SHARD_COUNT_MAX)?;
    Some(TopicShard { topic: topic.parse().ok()?, shard: Shard::new(shard) })
}

fn type_of(value: &AttributeValue) -> &'static str {
    match value {
        AttributeValue::B(_) => "binary",
        AttributeValue::Bool(_) => "a boolean",
        AttributeValue::Bs(_) => "a set of binaries",
        AttributeValue::L(_) => "a list",
        AttributeValue::M(_) => "a map",
        AttributeValue::N(_) => "a number",
        AttributeValue::Ns(_) => "a set of numbers",
        AttributeValue::Null(_) => "null",
        AttributeValue::S(_) => "a string",
        AttributeValue::Ss(_) => "a set of strings",
        _ => "of a type unknown to this version",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::{self, PK, binary, number, places, string};

    fn place(shard: u16, topic: &str) -> TopicShard {
        TopicShard { topic: topic.parse().unwrap(), shard: Shard::new(shard) }
    }

    fn connection() -> Connection {
        Connection::new("L0SM9cOFvHcCIhw=".parse().unwrap(), Timestamp::from_epoch_ms(1_760_000_000_123))
    }

    fn head_key() -> Key {
        Key::head(&"dev-1".parse().unwrap())
    }

    #[test]
    fn a_connection_reads_back_as_it_was_written() {
        let mut connection = connection();
        connection.principal = Some("alice".to_owned());
        let mut item = item::new_connection(&connection);
        item.insert("of a later release".to_owned(), AttributeValue::Bool(true));
        let read = ConnectionItem::read(&connection.id, &item).unwrap();
        let expected =
            ConnectionItem { connection: connection.clone(), pending: BTreeSet::new(), writers: vec![] };
        assert_eq!(read, expected);
        assert_eq!(item[PK], string("C#L0SM9cOFvHcCIhw="));
        let row = item::row(&place(3, "dev:1"), &connection);
        assert_eq!((&row[PK], &row[SK]), (&string("S#3#dev:1"), &string("L0SM9cOFvHcCIhw=")));
        assert_eq!(subscriber("S#3#dev:1", &row).unwrap().expires_at, connection.expires_at);
    }

    #[test]
    fn lists_keep_their_order() {
        let list = [place(0, "b"), place(255, "a")];
        let mut item = item::new_connection(&connection());
        item.insert(TOPICS.to_owned(), places(&list));
        assert_eq!(ConnectionItem::read(&connection().id, &item).unwrap().connection.topics, list);
    }

    #[test]
    fn a_grown_topic_has_no_head_yet() {
        let item = Item::from([(SHARD_COUNT.to_owned(), number(4))]);
        let head = HeadItem::read(head_key(), &item).unwrap();
        assert_eq!(head.shard_count.get(), 4);
        assert_eq!(head.into_head(), None);
    }

    #[track_caller]
    fn check<T: std::fmt::Debug>(read: Result<T, MalformedItem>, expected: &str) {
        assert_eq!(read.unwrap_err().to_string(), expected);
    }

    /// The connection item with this attribute in place of its own.
    fn read_with(name: &str, value: Option<AttributeValue>) -> Result<ConnectionItem, MalformedItem> {
        let mut item = item::new_connection(&connection());
        item.remove(name);
        item.extend(value.map(|value| (name.to_owned(), value)));
        ConnectionItem::read(&connection().id, &item)
    }

    #[test]
    fn what_is_wrong_with_a_connection_is_named() {
        let at = |rest: &str| format!(r#"item pk "C#L0SM9cOFvHcCIhw=", sk "C": attribute {rest}"#);
        let whole = "a whole number from 0 to 18446744073709551615";
        let form = "a list of strings of the form \"{shard}#{topic}\"";
        let n = |text: &str| Some(AttributeValue::N(text.to_owned()));
        let list = |text: &str| Some(AttributeValue::L(vec![string("0#ok"), string(text)]));
        check(read_with(EXPIRES_AT, None), &at(r#""expires_at" is missing"#));
        let value = Some(string("soon"));
        check(read_with(EXPIRES_AT, value), &at(r#""expires_at" is a string, and should be a number"#));
        for text in ["-1", "1.5", "18446744073709551616", "1E+125", ""] {
            check(read_with(LIST_VERSION, n(text)), &at(&format!(r#""list_version" should be {whole}"#)));
        }
        check(read_with(TOPICS, n("1")), &at(r#""topics" is a number, and should be a list"#));
        for text in ["a", "x#a", "#a", "0#", "-1#a", "256#a", "99999#a", "0#a b", "0#\u{0}"] {
            check(read_with(TOPICS, list(text)), &at(&format!("\"topics\" should be {form}")));
        }
        check(
            read_with(PENDING, Some(AttributeValue::Ss(vec!["0#a".to_owned()]))),
            &at(r#""pending" is a set of strings, and should be a list"#),
        );
        let value = Some(AttributeValue::Null(true));
        check(read_with(PRINCIPAL, value), &at(r#""principal" is null, and should be a string"#));
    }

    #[test]
    fn what_is_wrong_with_a_head_is_named() {
        let read = |attributes: &[(&str, AttributeValue)]| {
            let item = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            HeadItem::read(head_key(), &item)
        };
        let at = |rest: &str| format!(r#"item pk "H#dev-1", sk "H": attribute {rest}"#);
        check(read(&[(VERSION, number(4))]), &at(r#""payload" is missing"#));
        check(
            read(&[(VERSION, number(4)), (PAYLOAD, string("{}"))]),
            &at(r#""payload" is a string, and should be binary"#),
        );
        check(read(&[(PAYLOAD, binary(&"{}".into()))]), &at(r#""version" is missing"#));
        for count in [0, 257, 65_536, u64::MAX] {
            check(read(&[(SHARD_COUNT, number(count))]), &at(r#""shard_count" should be 1 to 256"#));
        }
        let odd_hint = read(&[(SUBSCRIBER_ESTIMATE, string("many"))]).unwrap();
        assert_eq!(odd_hint.subscriber_estimate, None, "a hint is not worth an error");
    }

    #[test]
    fn what_is_wrong_with_a_row_is_named() {
        let row = |sk: &str| Item::from([(SK.to_owned(), string(sk))]);
        check(
            subscriber("S#0#t", &row("no id!")),
            r#"item pk "S#0#t", sk "no id!": attribute "sk" should be a connection id"#,
        );
        check(
            subscriber("S#0#t", &row("abc")),
            r#"item pk "S#0#t", sk "abc": attribute "connected_at" is missing"#,
        );
        let error = subscriber("S#0#t", &row(&"ü".repeat(512))).unwrap_err().to_string();
        assert!(error.chars().count() < 400, "a long key is cut: {error}");
    }

    #[test]
    fn what_can_be_read_of_a_list_is_read() {
        let mut item = item::new_connection(&connection());
        item.insert(TOPICS.to_owned(), AttributeValue::L(vec![string("0#a"), string("?"), string("1#b")]));
        item.insert(PENDING.to_owned(), string("0#c"));
        let (places, odd) = places_of(&connection().id, &item);
        assert_eq!(places, BTreeSet::from([place(0, "a"), place(1, "b")]));
        assert!(odd.is_some());
        item.insert(PENDING.to_owned(), item::places(&[place(7, "c")]));
        item.insert(TOPICS.to_owned(), item::places(&[place(0, "a"), place(0, "a")]));
        let (places, odd) = places_of(&connection().id, &item);
        assert_eq!((places.len(), odd), (2, None));
    }
}
