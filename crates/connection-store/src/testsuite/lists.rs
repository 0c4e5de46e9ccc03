//! Connections and the lists of what they follow.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{NOW, ROUNDS, connect, follow, followers, id, topic, topics};
use crate::{
    Connection, ConnectionStore, Shard, StoreErrorKind, Subscription, TOPICS_PER_CONNECTION_MAX, Topic,
    TopicShard,
};

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
