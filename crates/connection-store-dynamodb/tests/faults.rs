//! What the store makes of a table that throttles, loses answers, leaves items unprocessed or is slow, and of
//! writers that die half-way.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod support;

use std::sync::Arc;

use dunlin_connection_store::{
    Connection, ConnectionStore as _, HeadCommit, Replacement, Shard, StoreError, StoreErrorKind,
    Subscription, Timestamp, Topic, TopicShard,
};
use dunlin_connection_store_dynamodb::{BATCH_ATTEMPTS_MAX, DynamoDbStore, REQUEST_ATTEMPTS_MAX};
use dunlin_events::ConnectionId;
use support::front::{Fault, Front};
use tokio::task::JoinHandle;

const NOW: Timestamp = Timestamp::from_epoch_ms(1_760_000_000_250);

struct World {
    front: Front,
    store: Arc<DynamoDbStore>,
    id: ConnectionId,
}

impl World {
    /// A table with one connection, and a store behind the front.
    async fn new() -> Self {
        let (emulator, _) = support::emulator().await;
        let front = Front::start(emulator).await;
        let store = Arc::new(support::store_at(&format!("http://{}", front.address), support::TABLE, 42));
        store.ensure_table().await.unwrap();
        let id: ConnectionId = "L0SM9cOFvHcCIhw=".parse().unwrap();
        store.add(&Connection::new(id.clone(), NOW)).await.unwrap();
        Self { front, store, id }
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

/// What the table, or something between, may do to a request, and what that comes to when it does not stop.
const REFUSALS: [(Fault, StoreErrorKind); 11] = [
    (Fault::THROTTLE, StoreErrorKind::Throttled),
    (Fault::Refuse(400, "ThrottlingException"), StoreErrorKind::Throttled),
    (Fault::Refuse(400, "RequestLimitExceeded"), StoreErrorKind::Throttled),
    (Fault::Refuse(400, "TransactionConflictException"), StoreErrorKind::Conflict),
    (Fault::Refuse(500, "InternalServerError"), StoreErrorKind::Unavailable),
    (Fault::Refuse(503, "ServiceUnavailable"), StoreErrorKind::Unavailable),
    (Fault::Page(502), StoreErrorKind::Unavailable),
    (Fault::Page(504), StoreErrorKind::Unavailable),
    (Fault::Cut, StoreErrorKind::Unavailable),
    (Fault::LoseAnswer, StoreErrorKind::Unavailable),
    (Fault::CutAnswer, StoreErrorKind::Unavailable),
];

#[tokio::test]
async fn refused_requests_are_sent_again_within_their_bound() {
    let world = World::new().await;
    for (fault, kind) in REFUSALS {
        world.front.reset();
        world.front.next("GetItem", &[fault, fault]);
        assert!(world.store.connection(&world.id, NOW).await.unwrap().is_some(), "{fault:?}");
        assert_eq!(world.front.count("GetItem"), 3, "{fault:?}");

        world.front.always("Query", fault);
        let topic = "a".parse().unwrap();
        let error = world.store.subscribers(&topic, Shard::new(0), None, 10, NOW).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{fault:?}");
        assert!(error.kind().is_retryable());
        assert_eq!(world.front.count("Query"), REQUEST_ATTEMPTS_MAX, "{fault:?}");
        let text = support::chain(&error);
        assert!(text.contains("request to table \"connections\": "), "{text}");
    }
}

#[tokio::test]
async fn what_will_not_help_is_not_sent_again() {
    let world = World::new().await;
    for fault in [
        Fault::Refuse(400, "AccessDeniedException"),
        Fault::Refuse(400, "ValidationException"),
        Fault::Refuse(400, "UnrecognizedClientException"),
        Fault::Page(403),
        // No answer of a table, whatever it is.
        Fault::Page(200),
    ] {
        world.front.reset();
        world.front.always("GetItem", fault);
        let error = world.store.connection(&world.id, NOW).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Internal, "{fault:?}");
        assert_eq!(world.front.count("GetItem"), 1, "{fault:?}");
    }
}

/// As long as the attempt's limit in real time: there is no clock to pause on the other side of a socket.
#[tokio::test]
async fn an_answer_that_does_not_come_is_asked_for_again() {
    let world = World::new().await;
    world.front.next("GetItem", &[Fault::Silence]);
    assert!(world.store.connection(&world.id, NOW).await.unwrap().is_some());
    assert!(world.front.count("GetItem") >= 2);
}

#[tokio::test]
async fn a_table_that_never_answers_ends_as_unavailable() {
    let world = World::new().await;
    world.front.always("GetItem", Fault::Silence);
    let error = world.store.connection(&world.id, NOW).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(world.front.count("GetItem") <= REQUEST_ATTEMPTS_MAX);
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
async fn a_list_whose_answer_was_lost_counts_as_written_though_others_came_since() {
    let world = World::new().await;
    // The first list is written, its answer is lost, and the second attempt is on its way ...
    world.front.next("UpdateItem", &[Fault::LoseAnswer, Fault::Hold]);
    let first = world.start_replacing(&["a"]);
    world.front.holds_one().await;
    // ... while others are written.
    assert_eq!(world.replace(&["a", "b"]).await.unwrap().added, topics(&["b"]), "after the first one");
    assert_eq!(world.replace(&["b", "c"]).await.unwrap().removed, topics(&["a"]));
    world.front.release_one();
    let first = first.await.unwrap().unwrap();
    assert_eq!((first.added, first.removed), (topics(&["a"]), vec![]), "it was the first, and is so once");
    assert!(!world.is_followed("a").await && world.is_followed("b").await && world.is_followed("c").await);
    let kept = world.store.connection(&world.id, NOW).await.unwrap().unwrap();
    assert_eq!(kept.list_version, 3);
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

/// Whichever request of a replacement fails, before or after the table carried it out, and whatever is called next: rows
/// and list agree again.
#[tokio::test]
async fn whatever_request_fails_the_next_call_repairs_it() {
    /// One more than a replacement sends when nothing else happens.
    const REQUESTS_MAX: usize = 6;
    let mut failed = 0;
    for at in 0..REQUESTS_MAX {
        for fault in [Fault::Refuse(400, "AccessDeniedException"), Fault::LoseAnswer, Fault::Cut] {
            for repair in [&["b", "c"][..], &["a", "b"], &["d"], &[]] {
                let world = World::new().await;
                world.replace(&["a", "b"]).await.unwrap();
                // A client that asks once: what the SDK would hide is an error here.
                let once = support::patient_store_at(world.front.address, 7);
                world.front.reset();
                let mut faults = vec![Fault::Pass; at];
                faults.push(fault);
                world.front.next("*", &faults);
                let result = once.replace_topics(&world.id, &topics(&["b", "c"]), NOW).await;
                let done = usize::try_from(world.front.count_all()).unwrap() <= at;
                assert_eq!(result.is_ok(), done, "{at} {fault:?}: {result:?}");
                failed += usize::from(!done);
                world.front.reset();
                world.replace(repair).await.unwrap();
                for name in ["a", "b", "c", "d"] {
                    let expected = repair.contains(&name);
                    assert_eq!(world.is_followed(name).await, expected, "{at} {fault:?} {repair:?}: {name}");
                }
                let kept = world.store.connection(&world.id, NOW).await.unwrap().unwrap();
                let list: Vec<Topic> = kept.topics.into_iter().map(|place| place.topic).collect();
                assert_eq!(list.len(), repair.len(), "{at} {fault:?} {repair:?}: {list:?}");
            }
        }
    }
    // Get the item, get the heads, write the list, write the rows, clear what is pending.
    assert_eq!(failed, 5 * 3 * 4);
}

/// The same for a removal: whichever of its requests fails, the same call again finds what remains.
#[tokio::test]
async fn whatever_request_fails_a_second_removal_takes_what_is_left() {
    // Get the item, delete the rows, delete the item; and one more.
    for at in 0..4 {
        for fault in [Fault::Refuse(400, "AccessDeniedException"), Fault::LoseAnswer, Fault::Cut] {
            let world = World::new().await;
            world.replace(&["a", "b"]).await.unwrap();
            let once = support::patient_store_at(world.front.address, 7);
            let mut faults = vec![Fault::Pass; at];
            faults.push(fault);
            world.front.next("*", &faults);
            let removed = once.remove(&world.id).await;
            world.front.reset();
            assert_eq!(removed.is_ok(), at == 3, "{at} {fault:?}: {removed:?}");
            let there = world.store.remove(&world.id).await.unwrap();
            let was_removed = at == 3 || (at == 2 && fault == Fault::LoseAnswer);
            assert_eq!(there, !was_removed, "{at} {fault:?}");
            for name in ["a", "b"] {
                assert!(!world.is_followed(name).await, "{at} {fault:?}: {name}");
            }
            assert_eq!(world.store.connection(&world.id, NOW).await.unwrap(), None);
        }
    }
}

#[tokio::test]
async fn a_removal_whose_answer_was_lost_was_one() {
    let world = World::new().await;
    world.replace(&["a"]).await.unwrap();
    world.front.next("DeleteItem", &[Fault::LoseAnswer]);
    assert!(world.store.remove(&world.id).await.unwrap(), "the connection was there");
    assert!(!world.is_followed("a").await);
}

#[tokio::test]
async fn rows_of_a_connection_that_is_gone_are_pruned_by_name() {
    let world = World::new().await;
    world.replace(&["a"]).await.unwrap();
    // A writer that dies with its put on the way, while the connection is removed.
    world.front.next("BatchWriteItem", &[Fault::Hold]);
    let writer = world.start_replacing(&["a", "b"]);
    world.front.holds_one().await;
    assert!(world.store.remove(&world.id).await.unwrap());
    world.front.next("UpdateItem", &[Fault::Refuse(400, "AccessDeniedException")]);
    world.front.release_one();
    assert_eq!(writer.await.unwrap().unwrap_err().kind(), StoreErrorKind::Internal);
    assert!(world.is_followed("b").await, "nobody is left who would delete it");
    let place = TopicShard { topic: "b".parse().unwrap(), shard: Shard::new(0) };
    world.store.prune(&[Subscription { place, connection_id: world.id.clone() }]).await.unwrap();
    assert!(!world.is_followed("b").await);
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
