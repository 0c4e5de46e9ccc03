//! What a device said last, for a client that has just begun to follow it.

use std::time::Duration;

use bytes::Bytes;
use dunlin_connection_store::{ConnectionStore, StoreError, Timestamp, Topic};
use dunlin_fanout::{RETRY_DELAY_BASE, YOUNG_CONNECTION_AGE};
use dunlin_handler::Connection;
use dunlin_management::{ManagementClient, ManagementError, PostOutcome};
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{App, connection::stored};

/// Posts in flight at once to the one connection. More would fill the buffer that the service keeps for it, which answers 429 (fact C3).
pub const LAST_VALUES_IN_FLIGHT_MAX: usize = 8;

/// Attempts per post. The next update brings the value anyway, so this does not go on for long.
pub const LAST_VALUE_ATTEMPTS_MAX: u32 = 3;

/// Longest time for all posts together; the client waits for its answer meanwhile.
pub const LAST_VALUES_TIME_MAX: Duration = Duration::from_secs(5);

/// Kept free for the answer itself, before the handler is ended.
pub const REPLY_MARGIN: Duration = Duration::from_millis(300);

/// Pushes the head of each of these topics, where there is one, to the connection.
///
/// A push that does not succeed is logged and does no harm: the next update carries the whole value.
///
/// # Errors
/// If the heads cannot be read; the list is replaced by then, and to send it again is harmless.
pub(crate) async fn push<S: ConnectionStore, M: ManagementClient>(
    app: &App<S, M>,
    connection: &Connection,
    topics: &[Topic],
    now: Timestamp,
    deadline: Instant,
) -> Result<(), StoreError> {
    if topics.is_empty() {
        return Ok(());
    }
    let heads = app.store().heads(topics).await?;
    let payloads: Vec<_> = heads.into_iter().flatten().map(|head| head.payload).collect();
    let wanted = payloads.len();
    let until =
        (Instant::now() + LAST_VALUES_TIME_MAX).min(deadline.checked_sub(REPLY_MARGIN).unwrap_or(deadline));

    let (mut delivered, mut gone) = (0, false);
    let mut posts = stream::iter(payloads)
        .map(|payload| post(app, connection, payload))
        .buffer_unordered(LAST_VALUES_IN_FLIGHT_MAX);
    while let Ok(Some(outcome)) = timeout_at(until, posts.next()).await {
        match outcome {
            Ok(PostOutcome::Delivered) => delivered += 1,
            Ok(PostOutcome::Gone) => {
                gone = true;
                break;
            }
            Err(error) => tracing::debug!(%error, "last value not pushed"),
        }
    }
    drop(posts);
    if gone {
        forget(app, connection, now).await;
    } else if delivered < wanted {
        tracing::warn!(wanted, delivered, "last values not pushed");
    }
    Ok(())
}

async fn post<S: ConnectionStore, M: ManagementClient>(
    app: &App<S, M>,
    connection: &Connection,
    payload: Bytes,
) -> Result<PostOutcome, ManagementError> {
    let mut random = fastrand::Rng::with_seed(app.seed());
    for attempt in 1.. {
        match app.management().post(&connection.id, payload.clone()).await {
            Err(error) if error.kind().is_retryable() && attempt < LAST_VALUE_ATTEMPTS_MAX => {
                // Full jitter, and no sooner than the service asked for; the whole is bounded by the time limit around it.
                let jitter = RETRY_DELAY_BASE.mul_f64(random.f64() * f64::from(1 << attempt));
                sleep(jitter.max(error.retry_after().unwrap_or_default())).await;
            }
            result => return result,
        }
    }
    unreachable!("the last attempt returns")
}

/// Forgets a connection that turned out to be gone, unless it is so young that it may still be being made (fact C8).
async fn forget<S: ConnectionStore, M: ManagementClient>(
    app: &App<S, M>,
    connection: &Connection,
    now: Timestamp,
) {
    if now.since(stored(connection, now).connected_at) < YOUNG_CONNECTION_AGE {
        return;
    }
    match app.store().remove(&connection.id).await {
        Ok(_) => tracing::info!("connection gone, forgotten"),
        Err(error) => tracing::warn!(%error, "connection gone, not forgotten; its rows expire"),
    }
}
