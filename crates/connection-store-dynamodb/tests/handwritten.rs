//! What the store makes of items that somebody else wrote: it names them, or leaves them out with a warning where others
//! must not suffer; it loses nothing that it can read, and it never panics.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};

use dunlin_connection_store::{
    Connection, ConnectionStore as _, HeadCommit, PageToken, Shard, ShardCount, StoreError, StoreErrorKind,
    Subscription, Timestamp, Topic, TopicShard,
};
use dunlin_connection_store_dynamodb::DynamoDbStore;
use dunlin_events::ConnectionId;
use dynoxide::Database;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_epoch_ms(1_760_000_000_250);

/// An expiry that is far away.
const LATER: &str = "9999999999";

struct World {
    database: Database,
    store: DynamoDbStore,
}

impl World {
    async fn new() -> Self {
        let (address, database) = support::emulator().await;
        let store = support::store_at(&format!("http://{address}"), support::TABLE, 42);
        store.ensure_table().await.unwrap();
        Self { database, store }
    }

    /// Writes an item as anybody may who has access to the table.
    fn put(&self, pk: &str, sk: &str, attributes: &Value) {
        let mut item = json!({"pk": {"S": pk}, "sk": {"S": sk}});
        item.as_object_mut().unwrap().extend(attributes.as_object().unwrap().clone());
        let request = json!({"TableName": support::TABLE, "Item": item});
        self.database.put_item(serde_json::from_value(request).unwrap()).unwrap();
    }

    fn get(&self, pk: &str, sk: &str) -> Option<Value> {
        let request = json!({"TableName": support::TABLE, "Key": {"pk": {"S": pk}, "sk": {"S": sk}}});
        let answer = self.database.get_item(serde_json::from_value(request).unwrap()).unwrap();
        serde_json::to_value(answer).unwrap().get("Item").cloned()
    }

    /// A connection that follows these topics, in the ordinary way.
    async fn connect(&self, name: &str, topics: &[&str]) -> ConnectionId {
        let id: ConnectionId = name.parse().unwrap();
        self.store.add(&Connection::new(id.clone(), NOW)).await.unwrap();
        self.store.replace_topics(&id, &named(topics), NOW).await.unwrap();
        id
    }

    /// Everyone in the first shard, by pages of this size.
    async fn followers(&self, topic: &str, limit: usize) -> Vec<String> {
        let topic: Topic = topic.parse().unwrap();
        let mut after: Option<PageToken> = None;
        let mut found = Vec::new();
        loop {
            let page =
                self.store.subscribers(&topic, Shard::new(0), after.as_ref(), limit, NOW).await.unwrap();
            found.extend(page.subscribers.into_iter().map(|one| one.connection_id.to_string()));
            let Some(next) = page.next else { return found };
            after = Some(next);
        }
    }
}

fn named(names: &[&str]) -> Vec<Topic> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// The attributes of a connection, with some of them replaced; null takes one away.
fn connection_with(change: Value) -> Value {
    let mut item = json!({
        "connected_at": {"N": "1760000000000"},
        "expires_at": {"N": LATER},
        "list_version": {"N": "3"},
        "topics": {"L": [{"S": "0#a"}]},
    });
    let item_fields = item.as_object_mut().unwrap();
    item_fields.extend(change.as_object().unwrap().clone());
    item_fields.retain(|_, value| !value.is_null());
    item
}

#[track_caller]
fn assert_names<T: std::fmt::Debug>(result: Result<T, StoreError>, parts: &[&str]) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Internal);
    let text = support::chain(&error);
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing: {text}");
    }
    assert!(text.chars().count() < 500 && !text.contains('\n'), "one sentence: {text}");
}

#[tokio::test]
async fn an_odd_connection_is_named_and_can_be_removed() {
    let world = World::new().await;
    let long = "x".repeat(300_000);
    for (change, attribute) in [
        (json!({"connected_at": null}), "\"connected_at\" is missing"),
        (json!({"expires_at": null}), "\"expires_at\" is missing"),
        (json!({"list_version": null}), "\"list_version\" is missing"),
        (json!({"expires_at": {"S": "tomorrow"}}), "\"expires_at\" is a string"),
        (json!({"expires_at": {"N": "-5"}}), "\"expires_at\" should be a whole number"),
        (json!({"list_version": {"N": "-1"}}), "\"list_version\" should be a whole number"),
        (json!({"list_version": {"N": "1.5"}}), "\"list_version\" should be a whole number"),
        (json!({"principal": {"M": {"name": {"S": "alice"}}}}), "\"principal\" is a map"),
        (json!({"topics": {"SS": ["0#a"]}}), "\"topics\" is a set of strings"),
        (json!({"topics": {"S": long}}), "\"topics\" is a string"),
        (json!({"topics": {"L": [{"S": "0#a"}, {"S": long}]}}), "\"topics\" should be a list of strings"),
        // As a later release might have it.
        (
            json!({"topics": {"L": [{"M": {"shard": {"N": "0"}, "topic": {"S": "a"}}}]}}),
            "\"topics\" should be",
        ),
        (json!({"pending": {"L": [{"S": "0#a b"}]}}), "\"pending\" should be a list of strings"),
        (json!({"writers": {"S": "me"}}), "\"writers\" is a string, and should be a list"),
    ] {
        let neighbour = world.connect("neighbour", &["a"]).await;
        let id: ConnectionId = "odd".parse().unwrap();
        world.put("C#odd", "C", &connection_with(change));
        world.put("S#0#a", "odd", &json!({"connected_at": {"N": "1"}, "expires_at": {"N": LATER}}));
        let names = ["pk \"C#odd\", sk \"C\"", attribute];
        assert_names(world.store.connection(&id, NOW).await, &names);
        assert_names(world.store.replace_topics(&id, &named(&["b"]), NOW).await, &names);
        assert!(world.get("C#odd", "C").is_some(), "nothing is overwritten that was not understood");
        assert!(world.store.remove(&id).await.unwrap(), "whatever it is, it can be removed");
        assert_eq!(world.get("C#odd", "C"), None);

        // Pruning removes it too, and does not stop at it.
        world.put("C#odd", "C", &connection_with(json!({"topics": {"N": "1"}})));
        let row = |name: &str| Subscription {
            place: TopicShard { topic: "a".parse().unwrap(), shard: Shard::new(0) },
            connection_id: name.parse().unwrap(),
        };
        world.store.prune(&[row("odd"), row("neighbour")]).await.unwrap();
        assert_eq!(world.followers("a", 10).await, [""; 0]);
        assert_eq!(world.store.connection(&neighbour, NOW).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_removal_takes_the_rows_that_an_odd_list_does_name() {
    let world = World::new().await;
    world.connect("odd", &["a", "b"]).await;
    let list = json!({"L": [{"S": "0#a"}, {"S": "?"}, {"N": "7"}]});
    world.put("C#odd", "C", &connection_with(json!({"topics": list, "pending": {"L": [{"S": "0#b"}]}})));
    assert!(world.store.remove(&"odd".parse().unwrap()).await.unwrap());
    for topic in ["a", "b"] {
        assert_eq!(world.followers(topic, 10).await, [""; 0], "followers of {topic}");
    }
}

#[tokio::test]
async fn a_list_that_names_a_topic_twice_is_put_right() {
    let world = World::new().await;
    let id = world.connect("odd", &["a"]).await;
    let list = json!({"L": [{"S": "0#a"}, {"S": "1#a"}, {"S": "0#a"}]});
    world.put("C#odd", "C", &connection_with(json!({"topics": list})));
    world.put("S#1#a", "odd", &json!({"connected_at": {"N": "1"}, "expires_at": {"N": LATER}}));
    let again = world.store.replace_topics(&id, &named(&["a"]), NOW).await.unwrap();
    assert_eq!((again.added, again.removed), (vec![], vec![]));
    let kept = world.store.connection(&id, NOW).await.unwrap().unwrap();
    assert_eq!(kept.topics.len(), 1);
    let rows = [world.get("S#0#a", "odd"), world.get("S#1#a", "odd")];
    assert_eq!(rows.iter().flatten().count(), 1, "one row is left: {rows:?}");
    assert!(rows[usize::from(kept.topics[0].shard.index())].is_some(), "and it is the one that is listed");
}

#[tokio::test]
async fn attributes_of_others_are_kept() {
    let world = World::new().await;
    let id: ConnectionId = "odd".parse().unwrap();
    world.put("C#odd", "C", &connection_with(json!({"note": {"S": "by hand"}})));
    world.store.replace_topics(&id, &named(&["b"]), NOW).await.unwrap();
    assert_eq!(world.get("C#odd", "C").unwrap()["note"]["S"], "by hand");
    world.put("H#b", "H", &json!({"note": {"S": "by hand"}}));
    let topic: Topic = "b".parse().unwrap();
    let commit = world.store.commit_head(&topic, 1, "{}".into()).await.unwrap();
    assert!(matches!(commit, HeadCommit::Committed(_)));
    world.store.grow_shards(&topic, ShardCount::new(2).unwrap()).await.unwrap();
    assert_eq!(world.get("H#b", "H").unwrap()["note"]["S"], "by hand");
}

#[tokio::test]
async fn an_odd_head_is_named() {
    let world = World::new().await;
    let topic: Topic = "a".parse().unwrap();
    let list = std::slice::from_ref(&topic);
    let grown = ShardCount::new(2).unwrap();
    let binary = json!({"B": "e30="});
    let id = world.connect("c", &[]).await;
    let head = |change: Value| {
        let mut item = json!({"version": {"N": "7"}, "payload": binary, "shard_count": {"N": "4"}});
        item.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        item.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        item
    };
    let at = "pk \"H#a\", sk \"H\"";

    // An update that cannot be read: a newer version takes its place.
    for (change, attribute) in [
        (json!({"payload": {"S": "{}"}}), "\"payload\" is a string, and should be binary"),
        (json!({"payload": null}), "\"payload\" is missing"),
        (json!({"version": null}), "\"version\" is missing"),
        (json!({"version": {"N": "-3"}}), "\"version\" should be a whole number"),
    ] {
        world.put("H#a", "H", &head(change));
        assert_names(world.store.heads(list).await, &[at, attribute]);
        let commit = world.store.commit_head(&topic, 8, "{}".into()).await.unwrap();
        assert!(matches!(commit, HeadCommit::Committed(head) if head.shard_count.get() == 4));
        assert!(world.store.heads(list).await.unwrap()[0].is_some());
    }

    // A version that nothing can be compared with, or that nothing is newer than: the publisher is told.
    for version in [json!({"S": "7"}), json!({"N": "1E+30"})] {
        world.put("H#a", "H", &head(json!({"version": version})));
        for result in [
            world.store.heads(list).await.map(drop),
            world.store.commit_head(&topic, 8, "{}".into()).await.map(drop),
        ] {
            assert_names(result, &[at, "\"version\""]);
        }
    }

    // A shard count that nobody can enumerate by: neither side goes on as if there were one shard.
    for count in
        [json!({"N": "0"}), json!({"N": "257"}), json!({"N": "-1"}), json!({"S": "4"}), json!({"NULL": true})]
    {
        world.put("H#a", "H", &head(json!({"shard_count": count})));
        for result in [
            world.store.heads(list).await.map(drop),
            world.store.commit_head(&topic, 8, "{}".into()).await.map(drop),
            world.store.replace_topics(&id, list, NOW).await.map(drop),
        ] {
            assert_names(result, &[at, "\"shard_count\""]);
        }
        if count != json!({"N": "0"}) && count != json!({"N": "-1"}) {
            assert_names(world.store.grow_shards(&topic, grown).await, &[at, "\"shard_count\""]);
        }
        world.store.record_estimate(&topic, 5).await.unwrap();
    }

    // A hint is worth no error.
    world.put("H#a", "H", &head(json!({"subscriber_estimate": {"S": "many"}})));
    assert_eq!(world.store.heads(list).await.unwrap()[0].as_ref().unwrap().subscriber_estimate, None);
}

/// Collects what is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn odd_rows_hide_nobody_and_are_warned_about_once_a_page() {
    let world = World::new().await;
    for name in ["b", "m", "y"] {
        world.connect(name, &["t"]).await;
    }
    let good = json!({"connected_at": {"N": "1"}, "expires_at": {"N": LATER}});
    for (sk, attributes) in [
        // First, last and between, so that every page of every size meets them, and ends at them.
        ("!", good.clone()),
        ("a b", good.clone()),
        ("c", json!({"connected_at": {"N": "1"}})),
        ("d", json!({"connected_at": {"N": "1"}, "expires_at": {"S": LATER}})),
        ("e", json!({"expires_at": {"N": LATER}})),
        ("f", json!({"connected_at": {"S": "1"}, "expires_at": {"N": LATER}})),
        ("g", json!({"connected_at": {"N": "1"}, "expires_at": {"N": "99999999999999999999999"}})),
        ("z", json!({"note": {"S": "nothing else"}})),
        ("zz\u{10ffff}", good.clone()),
    ] {
        world.put("S#0#t", sk, &attributes);
    }
    // Expired by hand, and in an odd way: these are simply not there.
    world.put("S#0#t", "h", &json!({"connected_at": {"N": "1"}, "expires_at": {"N": "-7"}}));
    world.put("S#0#t", "i", &json!({"connected_at": {"N": "1"}, "expires_at": {"N": "0.5"}}));
    for limit in [1, 2, 3, 5, 100] {
        assert_eq!(world.followers("t", limit).await, ["b", "m", "y"], "pages of {limit}");
    }

    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || written.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    world.followers("t", 100).await;
    drop(guard);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let warnings: Vec<&str> = text.lines().filter(|line| line.contains("left out")).collect();
    assert_eq!(warnings.len(), 1, "{text}");
    for part in ["WARN", "rows=9", "pk \"S#0#t\", sk \"!\"", "attribute \"sk\" should be a connection id"] {
        assert!(warnings[0].contains(part), "{part:?} is missing: {text}");
    }
}

#[tokio::test]
async fn huge_rows_make_short_pages_and_nothing_else() {
    let world = World::new().await;
    let names = ["a", "b", "c", "d", "e", "f"];
    for name in names {
        let attributes = json!({
            "connected_at": {"N": "1"},
            "expires_at": {"N": LATER},
            "note": {"S": "x".repeat(300_000)},
        });
        world.put("S#0#t", name, &attributes);
    }
    assert_eq!(world.followers("t", 1000).await, names);
}

/// Items at random, of which some happen to be good: every method ends, with an answer or with an error that names the
/// item, and whoever was there before is found by every enumeration.
#[tokio::test]
async fn random_items_break_nothing() {
    const ITEMS: u64 = 80;
    let world = World::new().await;
    let topics = named(&["t", "u"]);
    world.connect("good", &["t", "u"]).await;
    for seed in 0..ITEMS {
        let mut random = fastrand::Rng::with_seed(seed);
        let id: ConnectionId = format!("r{seed}").parse().unwrap();
        world.put(&format!("C#{id}"), "C", &random_attributes(&mut random));
        for topic in &topics {
            world.put(&format!("S#0#{topic}"), id.as_str(), &random_attributes(&mut random));
        }
        // Both topics keep a shard count that can be read, so that the rows above are found.
        let mut head = random_attributes(&mut random);
        head.as_object_mut().unwrap().remove("shard_count");
        world.put("H#u", "H", &head);

        let list = &topics[..random.usize(..=2)];
        let store = &world.store;
        let results = [
            store.connection(&id, NOW).await.map(drop),
            store.replace_topics(&id, list, NOW).await.map(drop),
            store.heads(&topics).await.map(drop),
            store.commit_head(&topics[1], random.u64(..), "{}".into()).await.map(drop),
            store.record_estimate(&topics[1], 1).await,
            store.remove(&id).await.map(drop),
        ];
        for error in results.into_iter().filter_map(Result::err) {
            let text = support::chain(&error);
            let named = text.contains(&format!("item pk \"C#{id}\"")) || text.contains("item pk \"H#u\"");
            assert!(named || error.kind() == StoreErrorKind::UnknownConnection, "seed {seed}: {text}");
            assert!(text.chars().count() < 500, "seed {seed}: {text}");
        }
        for topic in ["t", "u"] {
            let found = world.followers(topic, 10 + random.usize(..50)).await;
            assert!(found.iter().any(|name| name == "good"), "seed {seed}: the good row of {topic} is found");
        }
    }
}

/// Attributes that the store knows, with values that may make sense.
fn random_attributes(random: &mut fastrand::Rng) -> Value {
    const NAMES: [&str; 12] = [
        "expires_at",
        "connected_at",
        "principal",
        "topics",
        "pending",
        "list_version",
        "writers",
        "version",
        "payload",
        "shard_count",
        "subscriber_estimate",
        "unknown",
    ];
    let mut item = json!({});
    for name in NAMES {
        if random.f32() < 0.7 {
            item[name] = random_value(random, 2);
        }
    }
    item
}

fn random_value(random: &mut fastrand::Rng, depth: u32) -> Value {
    let text = |random: &mut fastrand::Rng| match random.u8(..6) {
        0 => format!("{}#t", random.u16(..300)),
        1 => format!("{}#{}", random.i64(..), "u".repeat(random.usize(..200))),
        2 => String::new(),
        3 => "\u{0}#\u{10ffff}".to_owned(),
        4 => "9999999999".to_owned(),
        _ => std::iter::repeat_with(|| random.char(..)).take(20).collect(),
    };
    let number = |random: &mut fastrand::Rng| match random.u8(..6) {
        0 => "9999999999".to_owned(),
        1 => random.i64(..).to_string(),
        2 => format!("{}.25", random.u32(..)),
        3 => "1E+120".to_owned(),
        4 => "-1E-120".to_owned(),
        _ => random.u8(..).to_string(),
    };
    match random.u8(..if depth > 0 { 11 } else { 9 }) {
        0 | 1 => json!({"S": text(random)}),
        2..=4 => json!({"N": number(random)}),
        5 => json!({"B": "e30="}),
        6 => json!({"BOOL": random.bool()}),
        7 => json!({"NULL": true}),
        8 => json!({"SS": ["0#t", "one"]}),
        9 => {
            let list: Vec<Value> = (0..random.usize(..5)).map(|_| random_value(random, depth - 1)).collect();
            json!({ "L": list })
        }
        _ => json!({"M": {"name": random_value(random, depth - 1)}}),
    }
}
