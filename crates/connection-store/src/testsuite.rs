//! The conformance suite: what every store must do, whatever it is made of.
//!
//! A backend calls [`conformance_tests!`](crate::conformance_tests) once in its tests, with an expression
//! that makes a new, empty store; each case becomes a test of its own. The store must keep its promises
//! under real concurrency: some cases run writers on several threads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dunlin_events::ConnectionId;

use crate::{
    Connection, ConnectionStore, HeadCommit, PageToken, Shard, ShardCount, StoreErrorKind, Subscription,
    TOPICS_PER_CONNECTION_MAX, Timestamp, Topic, TopicShard,
};

/// Makes one test of each case. The argument is an `async` expression that yields a new, empty store.
///
/// ```
/// # use dunlin_connection_store::{MemoryStore, conformance_tests};
/// conformance_tests!(async { MemoryStore::new() });
/// ```
#[macro_export]
macro_rules! conformance_tests {
    ($make:expr) => {
        $crate::conformance_tests! { @each $make;
            adding_twice_keeps_the_first
            an_unknown_connection_has_nothing
            a_list_is_replaced_as_a_whole
            the_same_list_again_changes_nothing
            a_full_list_fits_and_a_longer_one_is_refused
            removal_takes_every_subscription
            replacements_at_once_end_with_one_list
            a_removal_during_a_replacement_leaves_no_row
            pages_return_every_subscriber_once_in_order
            a_page_goes_on_after_a_subscriber_that_left
            shards_share_the_subscribers
            growing_keeps_the_rows_there_are
            what_expired_never_comes_back
            heads_take_newer_versions_only
            heads_come_in_the_order_asked
            commits_at_once_leave_the_newest
            estimates_are_kept_with_the_head
            pruning_takes_the_connection_and_all_it_follows
            no_update_is_missed
        }
    };
    (@each $make:expr; $($case:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::testsuite::$case(::std::sync::Arc::new($make.await)).await;
            }
        )*
    };
}

/// The time of the suite: some moment that is not a whole second.
const NOW: Timestamp = Timestamp::from_epoch_ms(1_760_000_000_250);

/// Times that a case with a race is repeated.
const ROUNDS: u32 = 12;

fn id(text: &str) -> ConnectionId {
    text.parse().expect("the suite's ids are valid")
}

fn topic(text: &str) -> Topic {
    text.parse().expect("the suite's topics are valid")
}

fn topics(names: &[&str]) -> Vec<Topic> {
    names.iter().map(|name| topic(name)).collect()
}

fn shards(count: u16) -> ShardCount {
    ShardCount::new(count).expect("the suite's counts are valid")
}

async fn connect(store: &impl ConnectionStore, name: &str) -> ConnectionId {
    store.add(&Connection::new(id(name), NOW)).await.expect("add");
    id(name)
}

async fn follow(store: &impl ConnectionStore, id: &ConnectionId, names: &[&str]) {
    store.replace_topics(id, &topics(names), NOW).await.expect("replace_topics");
}

/// Everyone who follows the topic at `now`, from every shard and page, with the shard; checks that each page is in order.
async fn followers_at(
    store: &impl ConnectionStore,
    name: &str,
    count: ShardCount,
    limit: usize,
    now: Timestamp,
) -> Vec<(Shard, ConnectionId)> {
    let mut found = Vec::new();
    for shard in count.shards() {
        let mut after: Option<PageToken> = None;
        let mut in_shard: Vec<ConnectionId> = Vec::new();
        loop {
            let page = store
                .subscribers(&topic(name), shard, after.as_ref(), limit, now)
                .await
                .expect("subscribers");
            assert!(page.subscribers.len() <= limit, "a page holds at most what was asked for");
            in_shard.extend(page.subscribers.into_iter().map(|subscriber| subscriber.connection_id));
            let Some(next) = page.next else { break };
            assert_ne!(after.as_ref(), Some(&next), "every page goes on");
            after = Some(next);
        }
        assert!(in_shard.is_sorted(), "subscribers come in the order of their ids: {in_shard:?}");
        found.extend(in_shard.into_iter().map(|id| (shard, id)));
    }
    found
}

async fn followers(store: &impl ConnectionStore, name: &str) -> Vec<ConnectionId> {
    let found = followers_at(store, name, shards(8), 100, NOW).await;
    found.into_iter().map(|(_, id)| id).collect()
}

/// A second `add` succeeds and changes nothing.
pub async fn adding_twice_keeps_the_first<S: ConnectionStore>(store: Arc<S>) {
    let mut first = Connection::new(id("a"), NOW);
    first.principal = Some("alice".to_owned());
    store.add(&first).await.expect("add");
    assert_eq!(store.connection(&id("a"), NOW).await.expect("connection"), Some(first.clone()));
    follow(&store, &id("a"), &["t"]).await;
    store.add(&Connection::new(id("a"), NOW + Duration::from_secs(5))).await.expect("add again");
    let kept = store.connection(&id("a"), NOW).await.expect("connection").expect("the connection is there");
    assert_eq!((&kept.principal, kept.connected_at), (&first.principal, NOW));
    assert_eq!((kept.list_version, kept.topics.len()), (1, 1));
    assert_eq!(followers(&store, "t").await, [id("a")]);
}

/// Nothing is found, and nothing is made, for a connection that was never added.
pub async fn an_unknown_connection_has_nothing<S: ConnectionStore>(store: Arc<S>) {
    assert_eq!(store.connection(&id("a"), NOW).await.expect("connection"), None);
    let refused = store.replace_topics(&id("a"), &topics(&["t"]), NOW).await.expect_err("no such connection");
    assert_eq!(refused.kind(), StoreErrorKind::UnknownConnection);
    assert_eq!(followers(&store, "t").await, []);
    assert!(!store.remove(&id("a")).await.expect("remove"));
    assert_eq!(store.connection(&id("a"), NOW).await.expect("connection"), None);
}

/// Added, removed and the new list are as asked, in order; duplicates count once; the empty list is valid.
pub async fn a_list_is_replaced_as_a_whole<S: ConnectionStore>(store: Arc<S>) {
    let a = connect(&store, "a").await;
    let b = connect(&store, "b").await;
    follow(&store, &b, &["y"]).await;

    let first = store.replace_topics(&a, &topics(&["z", "x", "z", "y"]), NOW).await.expect("first");
    assert_eq!((first.added, first.removed), (topics(&["z", "x", "y"]), vec![]));
    assert_eq!(first.topics, topics(&["z", "x", "y"]));
    assert_eq!(followers(&store, "y").await, [a.clone(), b.clone()]);

    let second = store.replace_topics(&a, &topics(&["w", "y", "v"]), NOW).await.expect("second");
    assert_eq!((second.added, second.removed), (topics(&["w", "v"]), topics(&["z", "x"])));
    assert_eq!(second.topics, topics(&["w", "y", "v"]));
    for (name, expected) in
        [("v", vec![&a]), ("w", vec![&a]), ("x", vec![]), ("y", vec![&a, &b]), ("z", vec![])]
    {
        assert_eq!(followers(&store, name).await.iter().collect::<Vec<_>>(), expected, "followers of {name}");
    }

    let third = store.replace_topics(&a, &[], NOW).await.expect("third");
    assert_eq!((third.added, third.topics), (vec![], vec![]));
    assert_eq!(third.removed, topics(&["w", "y", "v"]));
    assert_eq!(followers(&store, "y").await, [b]);
    let kept = store.connection(&a, NOW).await.expect("connection").expect("the connection stays");
    assert_eq!((kept.list_version, kept.topics), (3, vec![]));
}

/// Neither list version nor rows change when the same topics are named again, in whatever order.
pub async fn the_same_list_again_changes_nothing<S: ConnectionStore>(store: Arc<S>) {
    let a = connect(&store, "a").await;
    follow(&store, &a, &["x", "y"]).await;
    let before = store.connection(&a, NOW).await.expect("connection");
    let again = store.replace_topics(&a, &topics(&["y", "x"]), NOW).await.expect("again");
    assert_eq!((again.added, again.removed), (vec![], vec![]));
    assert_eq!(again.topics, topics(&["y", "x"]));
    assert_eq!(store.connection(&a, NOW).await.expect("connection"), before);
    assert_eq!(followers(&store, "x").await, [a]);
}

/// The longest list, and its replacement by another as long, pass every batch limit; one more topic is refused.
pub async fn a_full_list_fits_and_a_longer_one_is_refused<S: ConnectionStore>(store: Arc<S>) {
    let a = connect(&store, "a").await;
    let list = |prefix: &str, len: usize| -> Vec<Topic> {
        (0..len).map(|n| topic(&format!("{prefix}{n}"))).collect()
    };
    let (old, new) = (list("old", TOPICS_PER_CONNECTION_MAX), list("new", TOPICS_PER_CONNECTION_MAX));
    store.replace_topics(&a, &old, NOW).await.expect("a full list");
    let replaced = store.replace_topics(&a, &new, NOW).await.expect("another full list");
    assert_eq!((replaced.added, replaced.removed), (new.clone(), old.clone()));
    for (topics, expected) in [(&old, 0), (&new, 1)] {
        for topic in topics {
            assert_eq!(followers(&store, topic.as_str()).await.len(), expected, "followers of {topic}");
        }
    }
    let long = list("long", TOPICS_PER_CONNECTION_MAX + 1);
    let refused = store.replace_topics(&a, &long, NOW).await.expect_err("too long a list");
    assert_eq!(refused.kind(), StoreErrorKind::InvalidArgument);
    assert_eq!(followers(&store, "new0").await, [a]);
    assert_eq!(followers(&store, "long0").await, []);
}

/// Removing a connection removes its rows and no others; removing it again is no error.
pub async fn removal_takes_every_subscription<S: ConnectionStore>(store: Arc<S>) {
    let (a, b) = (connect(&store, "a").await, connect(&store, "b").await);
    follow(&store, &a, &["x", "y"]).await;
    follow(&store, &b, &["y"]).await;
    assert!(store.remove(&a).await.expect("remove"));
    assert_eq!(store.connection(&a, NOW).await.expect("connection"), None);
    assert_eq!(followers(&store, "x").await, []);
    assert_eq!(followers(&store, "y").await, [b]);
    assert!(!store.remove(&a).await.expect("remove again"));
}

/// Writers of one connection at once: some order explains every answer, and the rows are those of the final list.
pub async fn replacements_at_once_end_with_one_list<S: ConnectionStore>(store: Arc<S>) {
    const LISTS: [&[&str]; 4] = [&["p", "q"], &["q", "r"], &[], &["p", "r", "s"]];
    let a = connect(&store, "a").await;
    // Additions minus removals, over all answers so far: 1 for a topic that is followed now, else 0.
    let mut balance: BTreeMap<Topic, i32> = BTreeMap::new();
    for round in 0..ROUNDS {
        let writers = LISTS.map(|list| {
            let (store, a) = (Arc::clone(&store), a.clone());
            tokio::spawn(async move { store.replace_topics(&a, &topics(list), NOW).await })
        });
        for writer in writers {
            let replacement = writer.await.expect("writers do not panic").expect("replace_topics");
            for topic in replacement.added {
                *balance.entry(topic).or_default() += 1;
            }
            for topic in replacement.removed {
                *balance.entry(topic).or_default() -= 1;
            }
        }
        let kept = store.connection(&a, NOW).await.expect("connection").expect("the connection stays");
        let list: Vec<Topic> = kept.topics.into_iter().map(|place| place.topic).collect();
        assert!(LISTS.iter().any(|&asked| topics(asked) == list), "round {round}: {list:?} was asked for");
        for name in ["p", "q", "r", "s"] {
            let listed = list.contains(&topic(name));
            let has_row = followers(&store, name).await == [a.clone()];
            assert_eq!(has_row, listed, "round {round}: row and list agree on {name}");
            let balance = balance.get(&topic(name)).copied().unwrap_or_default();
            assert_eq!(balance, i32::from(listed), "round {round}: the answers add up for {name}");
        }
    }
}

/// Whoever comes first: once both have returned, no row of the connection is left.
pub async fn a_removal_during_a_replacement_leaves_no_row<S: ConnectionStore>(store: Arc<S>) {
    for round in 0..ROUNDS {
        let a = connect(&store, &format!("a{round}")).await;
        follow(&store, &a, &["x", "y"]).await;
        let writer = tokio::spawn({
            let (store, a) = (Arc::clone(&store), a.clone());
            async move { store.replace_topics(&a, &topics(&["y", "z"]), NOW).await }
        });
        assert!(store.remove(&a).await.expect("remove"), "the connection was there");
        if let Err(error) = writer.await.expect("the writer does not panic") {
            assert_eq!(error.kind(), StoreErrorKind::UnknownConnection);
        }
        for name in ["x", "y", "z"] {
            assert_eq!(followers(&store, name).await, [], "round {round}: followers of {name}");
        }
    }
}

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

/// Newer versions are taken, older ones refused; the same update again is told apart from another of the same version.
pub async fn heads_take_newer_versions_only<S: ConnectionStore>(store: Arc<S>) {
    let t = topic("t");
    let commit = async |version: u64, payload: &'static str| {
        store.commit_head(&t, version, payload.into()).await.expect("commit_head")
    };
    let is = |commit: &HeadCommit, version: u64, payload: &str| match commit {
        HeadCommit::Committed(head) => head.version == version && head.payload == payload,
        _ => false,
    };
    assert!(is(&commit(0, "zero").await, 0, "zero"), "version 0 is a version");
    assert!(is(&commit(7, "seven").await, 7, "seven"));
    assert_eq!(commit(6, "six").await, HeadCommit::Older { current: 7 });
    assert_eq!(commit(7, "other").await, HeadCommit::Older { current: 7 });
    assert!(matches!(commit(7, "seven").await, HeadCommit::Repeated(head) if head.payload == "seven"));
    assert!(is(&commit(u64::MAX, "last").await, u64::MAX, "last"));
    assert_eq!(commit(u64::MAX - 1, "late").await, HeadCommit::Older { current: u64::MAX });
    let head = store.heads(std::slice::from_ref(&t)).await.expect("heads").remove(0).expect("a head");
    assert_eq!((head.version, head.payload), (u64::MAX, Bytes::from("last")));
    assert_eq!((head.shard_count, head.subscriber_estimate), (ShardCount::ONE, None));
}

/// More topics than a batch takes, some twice, some without a head: one answer each, in order.
pub async fn heads_come_in_the_order_asked<S: ConnectionStore>(store: Arc<S>) {
    assert_eq!(store.heads(&[]).await.expect("heads of nothing"), []);
    store.grow_shards(&topic("t3"), shards(2)).await.expect("grow_shards");
    for n in [0_u64, 50, 119] {
        store.commit_head(&topic(&format!("t{n}")), n, n.to_string().into()).await.expect("commit_head");
    }
    let mut asked: Vec<Topic> = (0..120).rev().map(|n| topic(&format!("t{n}"))).collect();
    asked.push(topic("t50"));
    let heads = store.heads(&asked).await.expect("heads");
    let versions: Vec<Option<u64>> = heads.into_iter().map(|head| head.map(|head| head.version)).collect();
    let mut expected = vec![None; 121];
    (expected[0], expected[69], expected[119], expected[120]) = (Some(119), Some(50), Some(0), Some(50));
    assert_eq!(versions, expected);
}

/// Publishers at once: the newest update is the head, and its publisher was told so.
pub async fn commits_at_once_leave_the_newest<S: ConnectionStore>(store: Arc<S>) {
    for round in 0..ROUNDS {
        let t = topic(&format!("t{round}"));
        let publishers = [3_u64, 1, 4, 2].map(|version| {
            let (store, t) = (Arc::clone(&store), t.clone());
            tokio::spawn(async move { store.commit_head(&t, version, version.to_string().into()).await })
        });
        for (publisher, version) in publishers.into_iter().zip([3, 1, 4, 2]) {
            match publisher.await.expect("publishers do not panic").expect("commit_head") {
                HeadCommit::Committed(head) => assert_eq!(head.version, version),
                HeadCommit::Repeated(_) => unreachable!("every version was committed once"),
                HeadCommit::Older { current } => {
                    assert!(current > version, "round {round}: {current} is newer than {version}");
                }
            }
        }
        let head = store.heads(&[t]).await.expect("heads").remove(0).expect("a head");
        assert_eq!((head.version, head.payload), (4, Bytes::from("4")), "round {round}");
    }
}

/// An estimate is returned with the head, survives the next commit, and makes no head where there is none.
pub async fn estimates_are_kept_with_the_head<S: ConnectionStore>(store: Arc<S>) {
    let t = topic("t");
    store.record_estimate(&t, 5).await.expect("without a head");
    assert_eq!(store.heads(std::slice::from_ref(&t)).await.expect("heads"), [None]);
    store.commit_head(&t, 1, "1".into()).await.expect("commit_head");
    store.record_estimate(&t, 600).await.expect("record_estimate");
    store.grow_shards(&t, shards(2)).await.expect("grow_shards");
    let HeadCommit::Committed(head) = store.commit_head(&t, 2, "2".into()).await.expect("commit_head") else {
        unreachable!("2 is newer than 1");
    };
    assert_eq!((head.subscriber_estimate, head.shard_count), (Some(600), shards(2)));
    assert_eq!(store.heads(&[t]).await.expect("heads"), [Some(head)]);
}

/// Pruning removes the rows named, the connections, and all that these follow; absent ones and duplicates are no error.
pub async fn pruning_takes_the_connection_and_all_it_follows<S: ConnectionStore>(store: Arc<S>) {
    let row = |name: &str, of: &str| Subscription {
        place: TopicShard { topic: topic(of), shard: Shard::new(0) },
        connection_id: id(name),
    };
    store.prune(&[]).await.expect("nothing to prune");
    let mut gone = vec![row("nobody", "t")];
    for n in 0..30 {
        let name = format!("c{n:02}");
        let id = connect(&store, &name).await;
        follow(&store, &id, &["t", "u"]).await;
        if n != 11 {
            gone.extend([row(&name, "t"), row(&name, "t")]);
        }
    }
    for _ in 0..2 {
        store.prune(&gone).await.expect("prune");
        assert_eq!(followers(&store, "t").await, [id("c11")]);
        assert_eq!(followers(&store, "u").await, [id("c11")]);
        assert_eq!(store.connection(&id("c00"), NOW).await.expect("connection"), None);
        assert!(store.connection(&id("c11"), NOW).await.expect("connection").is_some());
    }
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
