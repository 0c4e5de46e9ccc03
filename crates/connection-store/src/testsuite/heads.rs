//! The last update of a topic.

use std::sync::Arc;

use bytes::Bytes;

use super::{ROUNDS, shards, topic};
use crate::{ConnectionStore, HeadCommit, ShardCount, Topic};

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
