//! A service that is not well. One call is one attempt, and what it came to says what to do.

use std::time::Duration;

use dunlin_management::{ManagementClient as _, ManagementError, ManagementErrorKind, PostOutcome};

use crate::harness::{Peer, Troubled};

/// What each of the three calls comes to when it gets this answer.
async fn all(
    harness: &impl Troubled,
    peer: &impl Peer,
    status: u16,
    headers: &[(&str, &str)],
) -> [ManagementError; 3] {
    let next = || harness.answer_next(peer.id(), status, headers);
    next();
    let post = harness.client().post(peer.id(), "hello".into()).await.unwrap_err();
    next();
    let get = harness.client().get(peer.id()).await.unwrap_err();
    next();
    let delete = harness.client().delete(peer.id()).await.unwrap_err();
    [post, get, delete]
}

/// Afterwards all is well, and nothing was tried again.
async fn recovers(harness: &impl Troubled, peer: &mut impl Peer) {
    assert_eq!(harness.client().post(peer.id(), "well".into()).await.unwrap(), PostOutcome::Delivered);
    assert_eq!(peer.message().await, "well");
}

/// C3.
pub(crate) async fn throttled_with_and_without_a_hint(harness: impl Troubled) {
    let mut peer = harness.connect().await;
    let name = ("x-amzn-errortype", "LimitExceededException");
    for (headers, hint) in
        [(vec![name], None), (vec![name, ("retry-after", "7")], Some(Duration::from_secs(7)))]
    {
        for error in all(&harness, &peer, 429, &headers).await {
            assert_eq!(error.kind(), ManagementErrorKind::Throttled);
            assert_eq!(error.retry_after(), hint);
            assert!(error.kind().is_retryable());
        }
    }
    recovers(&harness, &mut peer).await;
}

pub(crate) async fn a_failing_service_is_unavailable(harness: impl Troubled) {
    let mut peer = harness.connect().await;
    for status in [500, 502, 503, 504] {
        for error in all(&harness, &peer, status, &[]).await {
            assert_eq!(error.kind(), ManagementErrorKind::Unavailable, "{status}");
            assert!(error.kind().is_retryable());
        }
    }
    recovers(&harness, &mut peer).await;
}

pub(crate) async fn an_answer_of_another_kind_is_no_success(harness: impl Troubled) {
    let mut peer = harness.connect().await;
    for (status, kind) in [
        (302, ManagementErrorKind::Internal),
        (403, ManagementErrorKind::Forbidden),
        (404, ManagementErrorKind::Internal),
        (413, ManagementErrorKind::TooLarge),
    ] {
        for error in all(&harness, &peer, status, &[]).await {
            assert_eq!(error.kind(), kind, "{status}");
            assert!(!error.kind().is_retryable());
        }
    }
    recovers(&harness, &mut peer).await;
}
