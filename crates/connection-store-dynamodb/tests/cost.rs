//! What each method costs, in requests to the table: the contract's figures.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod support;

use dunlin_connection_store::{
    Connection, ConnectionStore as _, Shard, ShardCount, Subscription, Timestamp, Topic, TopicShard,
};
use dunlin_events::ConnectionId;
use support::front::Front;

const NOW: Timestamp = Timestamp::from_epoch_ms(1_760_000_000_250);

fn numbered(prefix: &str, count: usize) -> Vec<Topic> {
    (0..count).map(|n| format!("{prefix}{n}").parse().unwrap()).collect()
}

#[tokio::test]
async fn every_method_costs_what_the_contract_says() {
    let (emulator, _) = support::emulator().await;
    let front = Front::start(emulator).await;
    let store = support::patient_store_at(front.address, 42);
    store.ensure_table().await.unwrap();
    let id: ConnectionId = "L0SM9cOFvHcCIhw=".parse().unwrap();
    let t: Topic = "t".parse().unwrap();
    let cost = |expected: u32, what: &str| {
        assert_eq!(front.count_all(), expected, "{what}");
        front.reset();
    };
    front.reset();

    store.add(&Connection::new(id.clone(), NOW)).await.unwrap();
    cost(1, "add");
    store.connection(&id, NOW).await.unwrap();
    cost(1, "connection");

    let (few, full) = (numbered("a", 3), numbered("b", 100));
    store.replace_topics(&id, &few, NOW).await.unwrap();
    cost(4 + 1, "replace_topics: three more");
    store.replace_topics(&id, &few, NOW).await.unwrap();
    cost(1, "replace_topics: the same");
    store.replace_topics(&id, &few[..1], NOW).await.unwrap();
    cost(3 + 1, "replace_topics: two less");
    store.replace_topics(&id, &full, NOW).await.unwrap();
    cost(4 + 5, "replace_topics: a hundred more, one less");
    store.heads(&full).await.unwrap();
    cost(1, "heads of a hundred");
    store.heads(&numbered("c", 101)).await.unwrap();
    cost(2, "heads of more than a hundred");
    store.remove(&id).await.unwrap();
    cost(2 + 4, "remove");
    store.remove(&id).await.unwrap();
    cost(1, "remove what is absent");

    store.commit_head(&t, 1, "{}".into()).await.unwrap();
    cost(1, "commit_head");
    store.commit_head(&t, 0, "{}".into()).await.unwrap();
    cost(1, "commit_head of an older version");
    store.grow_shards(&t, ShardCount::new(4).unwrap()).await.unwrap();
    cost(1, "grow_shards");
    store.record_estimate(&t, 7).await.unwrap();
    cost(1, "record_estimate");
    store.subscribers(&t, Shard::new(0), None, 1000, NOW).await.unwrap();
    cost(1, "subscribers");

    store.prune(&[]).await.unwrap();
    cost(0, "prune nothing");
    let gone: Vec<Subscription> = (0..130)
        .map(|n| Subscription {
            place: TopicShard { topic: t.clone(), shard: Shard::new(0) },
            connection_id: format!("c{n}").parse().unwrap(),
        })
        .collect();
    store.prune(&gone).await.unwrap();
    // Connections are read, rows deleted, connections deleted: a hundred connections, then thirty.
    cost((1 + 4 + 4) + (1 + 2 + 2), "prune");
}
