//! Enumerating who follows a topic.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{NOW, ROUNDS, connect, follow, followers, followers_at, id, shards, topic, topics};
use crate::{Connection, ConnectionStore, HeadCommit, Shard, ShardCount, StoreErrorKind, Timestamp};

/// Pages of any size together return everyone, once, in order.
pub async fn pages_return_every_subscriber_once_in_order<S: ConnectionStore>(store: Arc<S>) {
    let mut expected = Vec::new();
    for n in 0..23 {
        let name = format!("c{n:02}");
        let id = connect(&store, &name).await;
        follow(&store, &id, &["t"]).await;
        expected.push((Shard::new(0), id));
    }
    for limit in [1, 7, 23, 24, 1000] {
        let found = followers_at(&store, "t", ShardCount::ONE, limit, NOW).await;
        assert_eq!(found, expected, "pages of {limit}");
    }
    let page = store.subscribers(&topic("t"), Shard::new(0), None, 0, NOW).await.expect("subscribers");
    assert_eq!(page.subscribers.len(), 1, "a limit of zero counts as one");
    let subscriber = &page.subscribers[0];
    let connection = Connection::new(subscriber.connection_id.clone(), NOW);
    assert_eq!(
        (subscriber.connected_at, subscriber.expires_at),
        (connection.connected_at, connection.expires_at)
    );
}

/// A page token stays good when the connection that it names leaves.
pub async fn a_page_goes_on_after_a_subscriber_that_left<S: ConnectionStore>(store: Arc<S>) {
    for name in ["a", "b", "c"] {
        let id = connect(&store, name).await;
        follow(&store, &id, &["t"]).await;
    }
    let first = store.subscribers(&topic("t"), Shard::new(0), None, 2, NOW).await.expect("first page");
    assert_eq!(first.subscribers.len(), 2);
    store.remove(&id("b")).await.expect("remove");
    let second = store
        .subscribers(&topic("t"), Shard::new(0), first.next.as_ref(), 2, NOW)
        .await
        .expect("second page");
    let ids: Vec<_> = second.subscribers.into_iter().map(|subscriber| subscriber.connection_id).collect();
    assert_eq!(ids, [id("c")]);
}

/// Every connection is in the shard that its id hashes to, and in no other.
pub async fn shards_share_the_subscribers<S: ConnectionStore>(store: Arc<S>) {
    let count = shards(4);
    store.grow_shards(&topic("t"), count).await.expect("grow_shards");
    let mut expected = BTreeSet::new();
    for n in 0..24 {
        let id = connect(&store, &format!("c{n}")).await;
        follow(&store, &id, &["t"]).await;
        expected.insert((Shard::of(&id, count), id));
    }
    let found = followers_at(&store, "t", shards(8), 5, NOW).await;
    assert_eq!(found.len(), expected.len());
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
    let used: BTreeSet<Shard> = expected.iter().map(|(shard, _)| *shard).collect();
    assert_eq!(used.len(), 4, "the suite's ids use every shard");
}

/// A grown topic still has its old rows, once each, and they can still be removed; it never shrinks.
pub async fn growing_keeps_the_rows_there_are<S: ConnectionStore>(store: Arc<S>) {
    let mut ids = Vec::new();
    for n in 0..12 {
        let id = connect(&store, &format!("c{n:02}")).await;
        follow(&store, &id, &["t"]).await;
        ids.push(id);
    }
    store.commit_head(&topic("t"), 1, "1".into()).await.expect("commit_head");
    store.grow_shards(&topic("t"), shards(8)).await.expect("grow_shards");
    store.grow_shards(&topic("t"), shards(2)).await.expect("a smaller count is no error");
    let heads = store.heads(&topics(&["t"])).await.expect("heads");
    assert_eq!(heads[0].as_ref().map(|head| head.shard_count), Some(shards(8)));

    // Named again, a topic keeps its row; given up and followed anew, it gets one in its new shard.
    for id in &ids {
        follow(&store, id, &["t", "other"]).await;
    }
    follow(&store, &ids[0], &[]).await;
    follow(&store, &ids[0], &["t"]).await;
    let mut found = followers(&store, "t").await;
    found.sort();
    assert_eq!(found, ids);
    for id in &ids {
        follow(&store, id, &[]).await;
    }
    assert_eq!(followers(&store, "t").await, []);
}

/// From its expiry on, in whole seconds, a connection and its rows are hidden and cannot be changed.
pub async fn what_expired_never_comes_back<S: ConnectionStore>(store: Arc<S>) {
    let mut short = Connection::new(id("a"), NOW);
    short.expires_at = NOW + Duration::from_secs(10);
    store.add(&short).await.expect("add");
    follow(&store, &id("a"), &["t"]).await;
    let b = connect(&store, "b").await;
    follow(&store, &b, &["t"]).await;

    let expiry = short.expires_at.ceil_to_second();
    let last = Timestamp::from_epoch_ms(expiry.epoch_ms() - 1);
    let kept = store.connection(&id("a"), last).await.expect("connection").expect("still live");
    assert_eq!(kept.expires_at, expiry, "expiry is kept in whole seconds, rounded up");
    for (now, expected) in [(last, vec![id("a"), b.clone()]), (expiry, vec![b.clone()])] {
        for limit in [1, 100] {
            let found = followers_at(&store, "t", ShardCount::ONE, limit, now).await;
            let found: Vec<_> = found.into_iter().map(|(_, id)| id).collect();
            assert_eq!(found, expected, "at {now:?} by {limit}");
        }
    }
    assert_eq!(store.connection(&id("a"), expiry).await.expect("connection"), None);
    let refused = store.replace_topics(&id("a"), &[], expiry).await.expect_err("expired");
    assert_eq!(refused.kind(), StoreErrorKind::UnknownConnection);
}

/// A subscriber that then reads the head, a publisher that then enumerates, and a topic that grows meanwhile:
/// the publisher finds the subscriber, or the subscriber finds the update.
pub async fn no_update_is_missed<S: ConnectionStore>(store: Arc<S>) {
    for round in 0..ROUNDS {
        let a = connect(&store, &format!("a{round}")).await;
        let name = format!("t{round}");
        let subscriber = tokio::spawn({
            let (store, a, name) = (Arc::clone(&store), a.clone(), name.clone());
            async move {
                follow(&store, &a, &[&name]).await;
                store.heads(&topics(&[&name])).await.expect("heads").remove(0).is_some()
            }
        });
        let grower = tokio::spawn({
            let (store, t) = (Arc::clone(&store), topic(&name));
            async move { store.grow_shards(&t, shards(8)).await }
        });
        let HeadCommit::Committed(head) =
            store.commit_head(&topic(&name), 1, "1".into()).await.expect("commit_head")
        else {
            unreachable!("the first version is newer than none");
        };
        let found = followers_at(&store, &name, head.shard_count, 100, NOW).await;
        let subscriber_knows = subscriber.await.expect("the subscriber does not panic");
        grower.await.expect("the grower does not panic").expect("grow_shards");
        assert!(subscriber_knows || !found.is_empty(), "round {round}: the update was missed");
    }
}
