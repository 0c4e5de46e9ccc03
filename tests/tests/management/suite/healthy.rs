//! A service that is well.

use dunlin_events::limits::{FRAME_BYTES_MAX, MESSAGE_BYTES_MAX};
use dunlin_management::{DeleteOutcome, ManagementClient as _, ManagementErrorKind, PostOutcome};
use futures_util::future::join_all;
use futures_util::poll;

use crate::harness::{Harness, Peer};

/// Connections of the case with many, and posts to each; together more than any client has connections.
const PEERS: usize = 50;
const POSTS_EACH: usize = 4;

async fn post(harness: &impl Harness, peer: &impl Peer, text: &str) {
    let outcome = harness.client().post(peer.id(), text.to_owned().into()).await;
    assert_eq!(outcome.unwrap(), PostOutcome::Delivered);
}

/// C7.
pub(crate) async fn a_post_arrives_as_text(harness: impl Harness) {
    let mut peer = harness.connect().await;
    for text in ["hello", r#"{"type":"update","grad":"21 °C 🌡"}"#, "\r\n\0"] {
        post(&harness, &peer, text).await;
        assert_eq!(peer.message().await, text);
    }
}

pub(crate) async fn no_bytes_are_a_message_too(harness: impl Harness) {
    let mut peer = harness.connect().await;
    post(&harness, &peer, "").await;
    post(&harness, &peer, "after").await;
    assert_eq!(peer.message().await, "");
    assert_eq!(peer.message().await, "after");
}

/// C2, C11: several frames, one message.
pub(crate) async fn the_largest_message_arrives_whole(harness: impl Harness) {
    let mut peer = harness.connect().await;
    // Two bytes each, and a frame ends within one of them.
    for text in ["é".repeat(MESSAGE_BYTES_MAX / 2), format!("x{}", "é".repeat(FRAME_BYTES_MAX))] {
        post(&harness, &peer, &text).await;
        assert!(peer.message().await == text, "{} bytes", text.len());
    }
}

/// C2, without the way there.
pub(crate) async fn more_is_refused_before_it_is_sent(harness: impl Harness) {
    let mut peer = harness.connect().await;
    let before = harness.arrived();
    let data = vec![b'x'; MESSAGE_BYTES_MAX + 1];
    let error = harness.client().post(peer.id(), data.into()).await.unwrap_err();
    assert_eq!(error.kind(), ManagementErrorKind::TooLarge);
    assert!(!error.kind().is_retryable());
    assert_eq!(harness.arrived(), before);
    post(&harness, &peer, "after").await;
    assert_eq!(peer.message().await, "after");
}

/// C4.
pub(crate) async fn a_client_that_hung_up_is_gone(harness: impl Harness) {
    let (peer, mut other) = (harness.connect().await, harness.connect().await);
    let id = peer.id().clone();
    peer.hang_up().await;
    assert_eq!(harness.client().post(&id, "hello".into()).await.unwrap(), PostOutcome::Gone);
    assert_eq!(harness.client().get(&id).await.unwrap(), None);
    post(&harness, &other, "still").await;
    assert_eq!(other.message().await, "still");
}

pub(crate) async fn nobody_is_gone_for_every_call(harness: impl Harness) {
    let nobody = harness.nobody();
    assert_eq!(harness.client().post(&nobody, "hello".into()).await.unwrap(), PostOutcome::Gone);
    assert_eq!(harness.client().get(&nobody).await.unwrap(), None);
    assert_eq!(harness.client().delete(&nobody).await.unwrap(), DeleteOutcome::Gone);
}

/// C2.
pub(crate) async fn a_connection_is_described(harness: impl Harness) {
    let peer = harness.connect().await;
    let info = harness.client().get(peer.id()).await.unwrap().expect("the connection is there");
    assert!(info.connected_at <= info.last_active_at, "{info:?}");
    peer.check(&info);
}

/// C12.
pub(crate) async fn a_deleted_connection_closes_and_is_gone(harness: impl Harness) {
    let mut peer = harness.connect().await;
    let id = peer.id().clone();
    post(&harness, &peer, "goodbye").await;
    assert_eq!(harness.client().delete(&id).await.unwrap(), DeleteOutcome::Deleted);
    assert_eq!(peer.message().await, "goodbye");
    peer.closed().await;
    assert_eq!(harness.client().delete(&id).await.unwrap(), DeleteOutcome::Gone);
    assert_eq!(harness.client().post(&id, "hello".into()).await.unwrap(), PostOutcome::Gone);
    assert_eq!(harness.client().get(&id).await.unwrap(), None);
}

/// C10: in whatever order, but each message once and to its own connection.
pub(crate) async fn many_connections_at_once_get_their_own(harness: impl Harness) {
    let mut peers = Vec::new();
    for _ in 0..PEERS {
        peers.push(harness.connect().await);
    }
    let text = |peer: usize, post: usize| format!("post {post} to {peer}");
    let posts = peers.iter().enumerate().flat_map(|(number, peer)| {
        let harness = &harness;
        (0..POSTS_EACH).map(move |n| async move { post(harness, peer, &text(number, n)).await })
    });
    join_all(posts).await;
    for (number, peer) in peers.iter_mut().enumerate() {
        let mut got = Vec::new();
        for _ in 0..POSTS_EACH {
            got.push(peer.message().await);
        }
        got.sort();
        assert_eq!(got, (0..POSTS_EACH).map(|n| text(number, n)).collect::<Vec<_>>());
    }
}

/// A call may be dropped at any moment.
pub(crate) async fn a_dropped_call_leaves_nothing_behind(harness: impl Harness) {
    let (dropped, mut peer) = (harness.connect().await, harness.connect().await);
    for turns in 0..20 {
        let mut call = Box::pin(harness.client().post(dropped.id(), "perhaps".into()));
        for _ in 0..turns {
            if poll!(call.as_mut()).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(call);
        let text = format!("after {turns}");
        post(&harness, &peer, &text).await;
        assert_eq!(peer.message().await, text);
    }
}
