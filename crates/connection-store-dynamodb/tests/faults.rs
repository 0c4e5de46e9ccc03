//! What the store makes of a table that throttles, loses answers, leaves items unprocessed or is slow, and of
//! writers that die half-way.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

#[path = "support/front.rs"]
mod front;
mod support;

use std::sync::Arc;

use dunlin_connection_store::{
    Connection, ConnectionStore as _, HeadCommit, Replacement, Shard, StoreError, StoreErrorKind, Timestamp,
    Topic,
};
use dunlin_connection_store_dynamodb::{BATCH_ATTEMPTS_MAX, DynamoDbStore, REQUEST_ATTEMPTS_MAX};
use dunlin_events::ConnectionId;
use dynoxide::Database;
use front::{Fault, Front};
use tokio::task::JoinHandle;

const NOW: Timestamp = Timestamp::from_epoch_ms(1_760_000_000_250);

struct World {
    database: Database,
    front: Front,
    store: Arc<DynamoDbStore>,
    id: ConnectionId,
}

impl World {
    /// A table with one connection, and a store behind the front.
    async fn new() -> Self {
        let (emulator, database) = support::emulator().await;
        let front = Front::start(emulator).await;
        let store = Arc::new(support::store_at(&format!("http://{}", front.address), support::TABLE, 42));
        store.ensure_table().await.unwrap();
        let id: ConnectionId = "L0SM9cOFvHcCIhw=".parse().unwrap();
        store.add(&Connection::new(id.clone(), NOW)).await.unwrap();
        Self { database, front, store, id }
    }

    async fn replace(&self, names: &[&str]) -> Result<Replacement, StoreError> {
        self.store.replace_topics(&self.id, &topics(names), NOW).await
    }

    /// The same in a task of its own, which may be held or aborted.
    fn start_replacing(&self, names: &[&str]) -> JoinHandle<Result<Replacement, StoreError>> {
        let (store, id, list) = (Arc::clone(&self.store), self.id.clone(), topics(names));
        tokio::spawn(async move { store.replace_topics(&id, &list, NOW).await })
    }

    async fn is_followed(&self, name: &str) -> bool {
        let topic = name.parse().unwrap();
        let page = self.store.subscribers(&topic, Shard::new(0), None, 10, NOW).await.unwrap();
        !page.subscribers.is_empty()
    }
}

fn topics(names: &[&str]) -> Vec<Topic> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("t{n}")).collect()
}

#[tokio::test]
async fn unprocessed_items_and_keys_are_asked_for_again() {
    let world = World::new().await;
    world.front.always("BatchWriteItem", Fault::Half);
    world.front.always("BatchGetItem", Fault::Half);
    let names = numbered(40);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(world.replace(&names).await.unwrap().added.len(), 40);
    for name in &names {
        assert!(world.is_followed(name).await, "{name}");
        world.store.commit_head(&name.parse().unwrap(), 1, "{}".into()).await.unwrap();
    }
    let heads = world.store.heads(&topics(&names)).await.unwrap();
    assert!(heads.iter().all(Option::is_some));
    assert!(world.front.count("BatchWriteItem") > 2, "the batches were cut");
    assert!(world.store.remove(&world.id).await.unwrap());
    for name in &names {
        assert!(!world.is_followed(name).await, "{name}");
    }
}

#[tokio::test]
async fn a_batch_that_is_never_processed_ends_as_throttled() {
    let world = World::new().await;
    world.front.always("BatchWriteItem", Fault::None);
    let error = world.replace(&["a"]).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Throttled);
    assert_eq!(error.to_string(), "replace_topics: throttled by the table");
    assert_eq!(world.front.count("BatchWriteItem"), BATCH_ATTEMPTS_MAX);
}

#[tokio::test]
async fn throttled_requests_are_sent_again_within_their_bound() {
    let world = World::new().await;
    world.front.next("GetItem", &[Fault::Throttle, Fault::Throttle]);
    assert!(world.store.connection(&world.id, NOW).await.unwrap().is_some());
    assert_eq!(world.front.count("GetItem"), 3);

    world.front.always("Query", Fault::Throttle);
    let topic = "a".parse().unwrap();
    let error = world.store.subscribers(&topic, Shard::new(0), None, 10, NOW).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Throttled);
    assert_eq!(world.front.count("Query"), REQUEST_ATTEMPTS_MAX);
}

#[tokio::test]
async fn a_table_that_is_not_there_is_told_apart_from_one_that_cannot_be_reached() {
    let store_at = |address| support::store_at(&format!("http://{address}"), support::TABLE, 42);
    let missing = store_at(support::emulator().await.0);
    let id = "a".parse().unwrap();
    assert_eq!(missing.connection(&id, NOW).await.unwrap_err().kind(), StoreErrorKind::Internal);
    // A port that is taken, so that no other program gets it, and on which nobody listens.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody = taken.local_addr().unwrap();
    let error = store_at(nobody).connection(&id, NOW).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn a_list_whose_answer_was_lost_counts_as_written() {
    let world = World::new().await;
    world.front.next("UpdateItem", &[Fault::LoseAnswer]);
    let replacement = world.replace(&["a", "b"]).await.unwrap();
    assert_eq!(replacement.added, topics(&["a", "b"]), "not a second replacement that adds nothing");
    assert!(world.is_followed("a").await && world.is_followed("b").await);
    let kept = world.store.connection(&world.id, NOW).await.unwrap().unwrap();
    assert_eq!(kept.list_version, 1);
}

#[tokio::test]
async fn a_head_whose_answer_was_lost_is_pushed() {
    let world = World::new().await;
    world.front.next("UpdateItem", &[Fault::LoseAnswer]);
    let commit = world.store.commit_head(&"a".parse().unwrap(), 7, "{}".into()).await.unwrap();
    assert!(matches!(commit, HeadCommit::Repeated(head) if head.version == 7), "only `Older` is not pushed");
}

#[tokio::test]
async fn a_late_delete_does_not_undo_a_newer_list() {
    let world = World::new().await;
    world.replace(&["a"]).await.unwrap();
    // The first writer has replaced the list, and its delete of the row is on its way ...
    world.front.next("BatchWriteItem", &[Fault::Hold]);
    let first = world.start_replacing(&[]);
    world.front.holds_one().await;
    // ... while a second one follows the topic again, and returns.
    let second = world.replace(&["a"]).await.unwrap();
    assert_eq!(second.added, topics(&["a"]));
    assert!(world.is_followed("a").await);
    world.front.release_one();
    assert_eq!(first.await.unwrap().unwrap().removed, topics(&["a"]));
    assert!(world.is_followed("a").await, "the list has it, so the row is there");
}

#[tokio::test]
async fn a_late_put_does_not_undo_a_newer_list() {
    let world = World::new().await;
    world.front.next("BatchWriteItem", &[Fault::Hold]);
    let first = world.start_replacing(&["a"]);
    world.front.holds_one().await;
    assert_eq!(world.replace(&["b"]).await.unwrap().removed, topics(&["a"]));
    world.front.release_one();
    first.await.unwrap().unwrap();
    assert!(!world.is_followed("a").await && world.is_followed("b").await);
}

#[tokio::test]
async fn a_late_put_does_not_outlive_the_connection() {
    let world = World::new().await;
    world.front.next("BatchWriteItem", &[Fault::Hold]);
    let first = world.start_replacing(&["a"]);
    world.front.holds_one().await;
    assert!(world.store.remove(&world.id).await.unwrap());
    world.front.release_one();
    assert_eq!(first.await.unwrap().unwrap_err().kind(), StoreErrorKind::UnknownConnection);
    assert!(!world.is_followed("a").await);
}

/// Starts a replacement and drops it where its rows are about to be written, or were just written.
async fn die_half_way(world: &World, names: &[&str], at: Fault) {
    world.front.next("BatchWriteItem", &[at]);
    let writer = world.start_replacing(names);
    world.front.holds_one().await;
    writer.abort();
    assert!(writer.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn the_next_replacement_finishes_what_a_dead_writer_began() {
    let world = World::new().await;
    world.replace(&["a", "b"]).await.unwrap();
    die_half_way(&world, &["b", "c"], Fault::Hold).await;
    assert!(world.is_followed("a").await && !world.is_followed("c").await, "the rows lag behind the list");
    let again = world.replace(&["b", "c"]).await.unwrap();
    assert_eq!((again.added, again.removed), (vec![], vec![]), "the list was replaced already");
    assert!(!world.is_followed("a").await && world.is_followed("b").await && world.is_followed("c").await);
}

#[tokio::test]
async fn a_removal_takes_the_rows_of_a_dead_writer_too() {
    let world = World::new().await;
    world.replace(&["a", "b"]).await.unwrap();
    die_half_way(&world, &["c"], Fault::HoldAnswer).await;
    die_half_way(&world, &["d"], Fault::Hold).await;
    assert!(world.store.remove(&world.id).await.unwrap());
    for name in ["a", "b", "c", "d"] {
        assert!(!world.is_followed(name).await, "{name}");
    }
}

#[tokio::test]
async fn an_odd_row_does_not_hide_the_others() {
    let world = World::new().await;
    world.replace(&["a"]).await.unwrap();
    let odd = serde_json::json!({
        "TableName": support::TABLE,
        "Item": {"pk": {"S": "S#0#a"}, "sk": {"S": "no id!"}, "expires_at": {"N": "9999999999"}},
    });
    world.database.put_item(serde_json::from_value(odd).unwrap()).unwrap();
    let topic = "a".parse().unwrap();
    let page = world.store.subscribers(&topic, Shard::new(0), None, 10, NOW).await.unwrap();
    let found: Vec<_> = page.subscribers.into_iter().map(|subscriber| subscriber.connection_id).collect();
    assert_eq!(found, [world.id]);
}
