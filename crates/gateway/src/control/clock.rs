use std::{sync::Arc, time::Duration};

use http::{Method, Request};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};

use super::{Problem, read};
use crate::{
    Backend,
    clock::{AHEAD_MAX, millis},
    gateway::Gateway,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_ms: u64,
}

#[derive(Serialize)]
struct Reading {
    /// Milliseconds since 1970.
    now_ms: u64,
    /// How far that is ahead of the world.
    ahead_ms: u64,
}

/// GET reads the clock, POST sets it ahead.
pub(super) async fn answer<B: Backend>(
    gateway: &Arc<Gateway<B>>,
    request: Request<Incoming>,
) -> Result<String, Problem> {
    match *request.method() {
        Method::GET => {}
        Method::POST => {
            let Advance { advance_ms } = read(gateway, request.into_body()).await?;
            if !gateway.advance(Duration::from_millis(advance_ms)).await {
                let (ahead, max) = (millis(gateway.time.ahead()), millis(AHEAD_MAX));
                return Err(Problem::bad(format!(
                    "the clock is {ahead} ms ahead, and {advance_ms} more would be above the {max} that are allowed"
                )));
            }
        }
        _ => return Err(Problem::not_allowed("GET, or POST with {\"advance_ms\": 1000}")),
    }
    let reading = Reading { now_ms: gateway.now_ms(), ahead_ms: millis(gateway.time.ahead()) };
    Ok(serde_json::to_string(&reading).unwrap_or_default())
}
