//! Callers at once, in every order that their single requests to the table can have.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dunlin_connection_store::testsuite::orders::{Stage, in_every_order};
use dunlin_connection_store::{
    Connection, ConnectionStore as _, HeadCommit, Replacement, Shard, ShardCount, StoreError, StoreErrorKind,
    Timestamp, Topic,
};
use dunlin_connection_store_dynamodb::DynamoDbStore;
use dunlin_events::ConnectionId;
use support::front::{Entrance, Front};
use tokio::task::JoinHandle;

const NOW: Timestamp = Timestamp::from_epoch_ms(1_760_000_000_250);

/// A table, and one connection per order that nothing else touches.
struct World {
    front: Front,
    store: DynamoDbStore,
    /// By name of the participant: its store, and the turns that the requests of that store take.
    participants: BTreeMap<&'static str, (Arc<DynamoDbStore>, Entrance)>,
    round: u32,
}

impl World {
    async fn new() -> Self {
        let (emulator, _) = support::emulator().await;
        let front = Front::start(emulator).await;
        // What comes before and after does not pass the front.
        let store = support::patient_store_at(emulator, 42);
        store.ensure_table().await.unwrap();
        Self { front, store, participants: BTreeMap::new(), round: 0 }
    }

    /// A new connection, and a prefix for the names of topics that nobody else has.
    async fn next_round(&mut self) -> (ConnectionId, String) {
        self.round += 1;
        let id: ConnectionId = format!("c{}", self.round).parse().unwrap();
        self.store.add(&Connection::new(id.clone(), NOW)).await.unwrap();
        (id, format!("r{}-", self.round))
    }

    /// Enters a participant with a store each of whose requests takes a turn.
    async fn enter<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &mut self,
        stage: &mut Stage,
        name: &'static str,
        part: impl FnOnce(Arc<DynamoDbStore>) -> F,
    ) -> JoinHandle<T> {
        if !self.participants.contains_key(name) {
            let entrance = self.front.entrance().await;
            // Each writer has a seed of its own, by which it is told from others.
            let seed = self.participants.len().try_into().unwrap();
            let store = Arc::new(support::patient_store_at(entrance.address, seed));
            self.participants.insert(name, (store, entrance));
        }
        let (store, entrance) = &self.participants[name];
        let turn = stage.turn(name);
        entrance.take_turns(turn.clone());
        stage.enter(&turn, part(Arc::clone(store)))
    }

    async fn followers(&self, topic: &Topic, shards: u16) -> Vec<Shard> {
        let mut found = Vec::new();
        for shard in ShardCount::new(shards).unwrap().shards() {
            let page = self.store.subscribers(topic, shard, None, 10, NOW).await.unwrap();
            found.extend(page.subscribers.iter().map(|_| shard));
        }
        found
    }

    /// The list, with which the rows of each of these topics agree.
    async fn settled_list(&self, id: &ConnectionId, names: &[Topic], stage: &Stage) -> BTreeSet<Topic> {
        let kept = self.store.connection(id, NOW).await.unwrap();
        let list: BTreeSet<Topic> =
            kept.into_iter().flat_map(|kept| kept.topics).map(|place| place.topic).collect();
        for name in names {
            let rows = self.followers(name, 1).await.len();
            assert_eq!(rows, usize::from(list.contains(name)), "rows of {name}: {stage}");
        }
        list
    }
}

fn topics(prefix: &str, names: &[&str]) -> Vec<Topic> {
    names.iter().map(|name| format!("{prefix}{name}").parse().unwrap()).collect()
}

/// The promise of the store: whoever subscribes while an update is published, and while the topic grows, is found by the
/// publisher or finds the update. Not only between calls, but between any two requests.
#[tokio::test]
async fn no_update_is_missed_between_any_two_requests() {
    let mut world = World::new().await;
    let orders = in_every_order(async |stage| {
        let (id, prefix) = world.next_round().await;
        let topic = topics(&prefix, &["t"]).remove(0);
        let two = ShardCount::new(2).unwrap();
        let (of, t) = (id.clone(), topic.clone());
        let subscriber = world.enter(stage, "subscriber", async move |store: Arc<DynamoDbStore>| {
            let list = [t];
            store.replace_topics(&of, &list, NOW).await.unwrap();
            store.heads(&list).await.unwrap().remove(0).is_some()
        });
        let subscriber = subscriber.await;
        let t = topic.clone();
        let publisher = world.enter(stage, "publisher", async move |store: Arc<DynamoDbStore>| {
            let HeadCommit::Committed(head) = store.commit_head(&t, 1, "{}".into()).await.unwrap() else {
                unreachable!("nobody else publishes")
            };
            let mut found = 0;
            for shard in head.shard_count.shards() {
                found += store.subscribers(&t, shard, None, 10, NOW).await.unwrap().subscribers.len();
            }
            found
        });
        let publisher = publisher.await;
        let t = topic.clone();
        let grower = world
            .enter(stage, "grower", async move |store: Arc<DynamoDbStore>| store.grow_shards(&t, two).await)
            .await;
        stage.run().await;

        grower.await.unwrap().unwrap();
        let (knows, found) = (subscriber.await.unwrap(), publisher.await.unwrap());
        assert!(knows || found == 1, "the update was missed: {stage}");
        assert!(found <= 1, "a row was found twice: {stage}");
        assert_eq!(world.followers(&topic, 2).await.len(), 1, "{stage}");
    })
    .await;
    // Six requests of the subscriber, two of the publisher, or three once the topic has grown, one of the grower.
    assert!(orders > 252, "{orders}");
}

/// Two lists for one connection at once, of which one drops what the other keeps: in every order of their requests rows
/// and list agree in the end, and the two answers follow from each other.
#[tokio::test]
async fn two_writers_of_a_list_agree_between_any_two_requests() {
    let mut world = World::new().await;
    let orders = in_every_order(async |stage| {
        let (id, prefix) = world.next_round().await;
        let [a, b] = ["a", "b"].map(|name| topics(&prefix, &[name]).remove(0));
        world.store.replace_topics(&id, &[a.clone(), b.clone()], NOW).await.unwrap();
        let mut writers = Vec::new();
        for (name, list) in [("dropping", vec![]), ("keeping", vec![a.clone()])] {
            let id = id.clone();
            let part = async move |store: Arc<DynamoDbStore>| store.replace_topics(&id, &list, NOW).await;
            writers.push(world.enter(stage, name, part).await);
        }
        stage.run().await;

        let mut replaced = Vec::new();
        for writer in writers {
            replaced.push(writer.await.unwrap().unwrap());
        }
        let list = world.settled_list(&id, &[a.clone(), b.clone()], stage).await;
        let follows = |first: &Replacement, second: &Replacement| {
            let mut now = BTreeSet::from([a.clone(), b.clone()]);
            for one in [first, second] {
                now.retain(|topic| !one.removed.contains(topic));
                now.extend(one.added.iter().cloned());
                if now != one.topics.iter().cloned().collect() {
                    return false;
                }
            }
            now == list
        };
        assert!(
            follows(&replaced[0], &replaced[1]) || follows(&replaced[1], &replaced[0]),
            "some order explains both answers: {replaced:?}: {stage}"
        );
    })
    .await;
    // Four requests each, more where one meets the other's list.
    assert!(orders > 70, "{orders}");
}

/// A list and the end of its connection at once: no row is left, and the writer is told.
#[tokio::test]
async fn a_removal_wins_between_any_two_requests() {
    let mut world = World::new().await;
    let orders = in_every_order(async |stage| {
        let (id, prefix) = world.next_round().await;
        let names = topics(&prefix, &["a", "b", "c"]);
        world.store.replace_topics(&id, &names[..2], NOW).await.unwrap();
        let (of, list) = (id.clone(), names[1..].to_vec());
        let part = async move |store: Arc<DynamoDbStore>| store.replace_topics(&of, &list, NOW).await;
        let writer = world.enter(stage, "writer", part).await;
        let of = id.clone();
        let removal = world
            .enter(stage, "removal", async move |store: Arc<DynamoDbStore>| store.remove(&of).await)
            .await;
        stage.run().await;

        assert!(removal.await.unwrap().unwrap(), "the connection was there: {stage}");
        let result: Result<Replacement, StoreError> = writer.await.unwrap();
        assert!(result.map_or_else(|error| error.kind() == StoreErrorKind::UnknownConnection, |_| true));
        for name in &names {
            assert_eq!(world.followers(name, 1).await, [], "rows of {name}: {stage}");
        }
    })
    .await;
    // Five requests of the writer and three of the removal, more or fewer where one meets the other.
    assert!(orders > 56, "{orders}");
}
