//! Several callers at once, in every order that their calls can have.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::orders::{Turn, in_every_order};
use super::{NOW, connect, follow, followers, followers_at, id, shards, topic, topics};
use crate::{Connection, ConnectionStore, HeadCommit, PageToken, Shard, ShardCount, StoreErrorKind, Topic};

/// Orders of the steps of three participants with 2, 3 (or 2) and 1 steps. A lower bound: it shows that there are orders.
const ORDERS_MIN: usize = 30;

/// Follows the topic, then asks for the head: the version that this subscriber knows.
async fn subscribe<S: ConnectionStore>(store: &S, turn: &Turn, connection: &str, t: &Topic) -> Option<u64> {
    turn.take().await;
    store.replace_topics(&id(connection), std::slice::from_ref(t), NOW).await.expect("replace_topics");
    turn.take().await;
    let head = store.heads(std::slice::from_ref(t)).await.expect("heads").remove(0);
    head.map(|head| head.version)
}

/// Commits the version, then enumerates: whom this publisher pushes to. Nobody, if a newer version is the head.
async fn publish<S: ConnectionStore>(store: &S, turn: &Turn, t: &Topic, version: u64) -> Vec<String> {
    turn.take().await;
    let commit = store.commit_head(t, version, version.to_string().into()).await.expect("commit_head");
    let (HeadCommit::Committed(head) | HeadCommit::Repeated(head)) = commit else { return Vec::new() };
    let mut pushed = Vec::new();
    for shard in head.shard_count.shards() {
        turn.take().await;
        let page = store.subscribers(t, shard, None, 100, NOW).await.expect("subscribers");
        pushed.extend(page.subscribers.into_iter().map(|found| found.connection_id.to_string()));
    }
    pushed
}

/// A subscriber, a publisher, and a topic that grows from one shard to two: whatever the order, the publisher finds the
/// subscriber, or the subscriber finds the update.
pub async fn no_update_is_missed_in_any_order<S: ConnectionStore>(store: Arc<S>) {
    // One connection for each shard of the grown topic, since growing moves only new rows of the second.
    let names = ["a", "b", "c", "d"].map(id);
    for shard in shards(2).shards() {
        let name = names.iter().find(|id| Shard::of(id, shards(2)) == shard).expect("the hash is fixed");
        let mut round = 0;
        let orders = in_every_order(async |stage| {
            round += 1;
            let t = topic(&format!("t{}-{round}", shard.index()));
            connect(&store, name.as_str()).await;
            follow(&store, name, &[]).await;

            let turn = stage.turn("subscriber");
            let (on, t1, of) = (Arc::clone(&store), t.clone(), name.to_string());
            let subscriber = stage
                .enter(&turn.clone(), async move { subscribe(on.as_ref(), &turn, &of, &t1).await.is_some() });
            let turn = stage.turn("publisher");
            let (on, t1) = (Arc::clone(&store), t.clone());
            let publisher =
                stage.enter(&turn.clone(), async move { publish(on.as_ref(), &turn, &t1, 1).await });
            let turn = stage.turn("grower");
            let (on, t1) = (Arc::clone(&store), t.clone());
            let grower = stage.enter(&turn.clone(), async move {
                turn.take().await;
                on.grow_shards(&t1, shards(2)).await
            });
            stage.run().await;

            grower.await.expect("no panic").expect("grow_shards");
            let knows = subscriber.await.expect("no panic");
            let pushed = publisher.await.expect("no panic");
            assert!(knows || pushed == [name.to_string()], "the update was missed: {stage}");
            assert!(pushed.len() <= 1, "a row was found twice: {stage}");
        })
        .await;
        assert!(orders >= ORDERS_MIN, "{orders}");
    }
}

/// Two publishers of one topic and a subscriber: whatever the order, the subscriber gets to know the newer update.
pub async fn the_newest_update_wins_in_any_order<S: ConnectionStore>(store: Arc<S>) {
    let mut round = 0;
    let orders = in_every_order(async |stage| {
        round += 1;
        let t = topic(&format!("t{round}"));
        connect(&store, "a").await;
        follow(&store, &id("a"), &[]).await;

        let turn = stage.turn("subscriber");
        let (on, t1) = (Arc::clone(&store), t.clone());
        let subscriber =
            stage.enter(&turn.clone(), async move { subscribe(on.as_ref(), &turn, "a", &t1).await });
        let publishers = [(1, "first"), (2, "second")].map(|(version, name)| {
            let turn = stage.turn(name);
            let (on, t1) = (Arc::clone(&store), t.clone());
            stage.enter(&turn.clone(), async move { publish(on.as_ref(), &turn, &t1, version).await })
        });
        stage.run().await;

        let mut known = subscriber.await.expect("no panic");
        for (publisher, version) in publishers.into_iter().zip([1, 2]) {
            let pushed = publisher.await.expect("no panic");
            known = known.max(pushed.iter().any(|name| name == "a").then_some(version));
        }
        assert_eq!(known, Some(2), "the newest update was missed: {stage}");
        let head = store.heads(std::slice::from_ref(&t)).await.expect("heads").remove(0);
        assert_eq!(head.map(|head| head.version), Some(2), "{stage}");
    })
    .await;
    assert!(orders >= ORDERS_MIN, "{orders}");
}

/// A removal between the calls of a client and of a publisher: nothing of the connection is left, whatever the order.
pub async fn a_removal_wins_in_any_order<S: ConnectionStore>(store: Arc<S>) {
    let mut round = 0;
    in_every_order(async |stage| {
        round += 1;
        let (name, t) = (format!("a{round}"), topic(&format!("t{round}")));
        connect(&store, &name).await;

        let turn = stage.turn("client");
        let (on, t1, of) = (Arc::clone(&store), t.clone(), id(&name));
        let client = stage.enter(&turn.clone(), async move {
            let mut refused = Vec::new();
            for list in [vec![t1], topics(&["other"])] {
                turn.take().await;
                let replaced = on.replace_topics(&of, &list, NOW).await;
                refused.extend(replaced.err().map(|error| error.kind()));
            }
            refused
        });
        let turn = stage.turn("removal");
        let (on, of) = (Arc::clone(&store), id(&name));
        let removal = stage.enter(&turn.clone(), async move {
            turn.take().await;
            on.remove(&of).await
        });
        stage.run().await;

        assert!(removal.await.expect("no panic").expect("remove"), "{stage}");
        let refused = client.await.expect("no panic");
        assert!(
            refused.iter().all(|kind| *kind == StoreErrorKind::UnknownConnection),
            "{refused:?}: {stage}"
        );
        for of in [t.as_str(), "other"] {
            assert_eq!(followers(&store, of).await, [], "{stage}");
        }
    })
    .await;
}

/// Page by page through every shard, while between the pages rows come, go and move, and the topic grows: who is there
/// all the time is found exactly once, and nobody twice.
pub async fn an_enumeration_goes_on_while_everything_changes<S: ConnectionStore>(store: Arc<S>) {
    let t = topic("t");
    store.grow_shards(&t, shards(2)).await.expect("grow_shards");
    store.commit_head(&t, 1, "1".into()).await.expect("commit_head");
    let steady: Vec<String> = (0..20).map(|n| format!("m{n:02}")).collect();
    let leaving: Vec<String> = (0..8).map(|n| format!("l{n}")).collect();
    for name in steady.iter().chain(&leaving) {
        let id = connect(&store, name).await;
        follow(&store, &id, &["t"]).await;
    }
    let mut changes = leaving.iter().enumerate();
    let mut found: BTreeMap<String, u32> = BTreeMap::new();
    // The publisher goes by the shards that its commit returned, however many there are by now.
    for shard in shards(2).shards() {
        let mut after: Option<PageToken> = None;
        loop {
            let page = store.subscribers(&t, shard, after.as_ref(), 3, NOW).await.expect("subscribers");
            for subscriber in page.subscribers {
                *found.entry(subscriber.connection_id.to_string()).or_default() += 1;
            }
            if let Some((n, name)) = changes.next() {
                match n % 4 {
                    // Gone, and another one is new: before all others, and after them.
                    0 => _ = store.remove(&id(name)).await.expect("remove"),
                    1 => follow(&store, &id(name), &[]).await,
                    // The topic grows, and a row is given up and made again in another shard.
                    2 => {
                        store.grow_shards(&t, shards(8)).await.expect("grow_shards");
                        follow(&store, &id(name), &[]).await;
                        follow(&store, &id(name), &["t"]).await;
                    }
                    _ => {
                        for new in [format!("a{n}"), format!("z{n}")] {
                            let id = connect(&store, &new).await;
                            follow(&store, &id, &["t"]).await;
                        }
                    }
                }
                // The list of one that stays changes around its row.
                follow(&store, &id(&steady[n]), &["other", "t"]).await;
            }
            let Some(next) = page.next else { break };
            after = Some(next);
        }
    }
    assert!(changes.next().is_none(), "every change was made during the enumeration");
    for name in &steady {
        assert_eq!(found.get(name), Some(&1), "{name} was there all the time");
    }
    let twice: Vec<_> = found.iter().filter(|(name, times)| **times > 1 && !moved(name)).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let now = followers_at(&store, "t", shards(8), 4, NOW).await;
    let expected = steady.len() + 4 + 2 * 2;
    assert_eq!(now.len(), expected, "afterwards everyone is there once: {now:?}");

    /// Who gave its row up and got another one may be found under both.
    fn moved(name: &str) -> bool {
        matches!(name, "l2" | "l6")
    }
}

/// A row of a connection that expired is not there for a new one with the same id, and no later page shows it.
pub async fn an_expired_connection_makes_room<S: ConnectionStore>(store: Arc<S>) {
    let old = Connection::new(id("a"), NOW);
    store.add(&old).await.expect("add");
    follow(&store, &old.id, &["t", "u"]).await;
    let new = Connection::new(id("a"), old.expires_at);
    store.add(&new).await.expect("add");
    let kept = store.connection(&new.id, new.connected_at).await.expect("connection").expect("it is there");
    assert_eq!((kept.connected_at, kept.topics, kept.list_version), (new.connected_at, vec![], 0));
    let found = followers_at(&store, "t", ShardCount::ONE, 10, new.connected_at).await;
    assert_eq!(found, [], "what the old one followed has expired with it");
    store.replace_topics(&new.id, &topics(&["t"]), new.connected_at).await.expect("replace_topics");
    let found = followers_at(&store, "t", ShardCount::ONE, 10, new.connected_at).await;
    assert_eq!(found, [(Shard::new(0), id("a"))]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStore;

    /// What the cases above are for: a subscriber that asks for the head before it has its row misses an update in some
    /// order, and the exploration finds that order.
    #[tokio::test]
    async fn the_wrong_way_round_misses_an_update_in_some_order() {
        let t = topic("t");
        let mut missed = Vec::new();
        in_every_order(async |stage| {
            let store = Arc::new(MemoryStore::new());
            connect(&store, "a").await;
            let turn = stage.turn("subscriber");
            let (on, of) = (Arc::clone(&store), t.clone());
            let subscriber = stage.enter(&turn.clone(), async move {
                turn.take().await;
                let head = on.heads(std::slice::from_ref(&of)).await.unwrap().remove(0);
                turn.take().await;
                on.replace_topics(&id("a"), &[of], NOW).await.unwrap();
                head.is_some()
            });
            let turn = stage.turn("publisher");
            let (on, of) = (Arc::clone(&store), t.clone());
            let publisher =
                stage.enter(&turn.clone(), async move { publish(on.as_ref(), &turn, &of, 1).await });
            stage.run().await;
            if !subscriber.await.unwrap() && publisher.await.unwrap().is_empty() {
                missed.push(stage.to_string());
            }
        })
        .await;
        assert_eq!(missed, ["subscriber publisher publisher subscriber"]);
    }
}
