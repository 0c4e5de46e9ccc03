//! What only the local stack has: `/_dunlin/…`, for callers with the token alone, since a page in the developer's browser
//! reaches loopback too. `docs/control.md` is the reference.

mod clock;
mod faults;

use std::sync::Arc;

use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq;
use tokio::time::timeout;

use crate::{
    Backend,
    gateway::Gateway,
    http_service::{Answer, json, message},
    metrics,
};

/// Where all of it is.
pub(crate) const PREFIX: &str = "/_dunlin/";

/// The header that a caller sends.
const TOKEN: &str = "x-dunlin-control-token";

/// Where metrics are; the one resource that is not JSON.
const METRICS: &str = "/_dunlin/metrics";

/// Its content type.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Bytes of a request's body: ours, far more than all rules that there can be.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// What there is, for whoever asks for something else.
const RESOURCES: &str = "clock, counters, faults and metrics";

/// Answers one call.
pub(crate) async fn answer<B: Backend>(gateway: &Arc<Gateway<B>>, request: Request<Incoming>) -> Answer {
    // C3: as any path that is not there.
    let Some(expected) = &gateway.config.control_token else {
        return message(StatusCode::FORBIDDEN, "Forbidden");
    };
    let given = request.headers().get(TOKEN).map(HeaderValue::as_bytes).unwrap_or_default();
    if !bool::from(expected.as_bytes().ct_eq(given)) {
        return message(StatusCode::FORBIDDEN, "the header x-dunlin-control-token is missing or wrong");
    }
    let is_metrics = request.uri().path() == METRICS;
    match dispatch(gateway, request).await {
        Ok(body) => {
            let mut answer = json(StatusCode::OK, body);
            if is_metrics {
                let text = HeaderValue::from_static(PROMETHEUS_TEXT);
                answer.headers_mut().insert(header::CONTENT_TYPE, text);
            }
            answer
        }
        Err(Problem(status, text)) => message(status, &text),
    }
}

async fn dispatch<B: Backend>(
    gateway: &Arc<Gateway<B>>,
    request: Request<Incoming>,
) -> Result<String, Problem> {
    let path = request.uri().path().strip_prefix(PREFIX).unwrap_or_default().to_owned();
    let (resource, id) = path.split_once('/').map_or((&*path, None), |(resource, id)| (resource, Some(id)));
    match (resource, id) {
        ("clock", None) => clock::answer(gateway, request).await,
        ("faults", id) => faults::answer(gateway, id, request).await,
        ("counters", None) if request.method() == Method::GET => {
            Ok(serde_json::to_string(&gateway.counters.read()).unwrap_or_default())
        }
        ("metrics", None) if request.method() == Method::GET => {
            Ok(metrics::page(gateway.apis(), &gateway.counters()))
        }
        ("counters" | "metrics", None) => Err(Problem::not_allowed("GET")),
        _ => {
            let text = format!("there is no {PREFIX}{path}; below {PREFIX} there are {RESOURCES}");
            Err(Problem(StatusCode::NOT_FOUND, text))
        }
    }
}

/// Why a call is refused: one sentence under this status.
struct Problem(StatusCode, String);

impl Problem {
    fn bad(text: impl Into<String>) -> Self {
        Problem(StatusCode::BAD_REQUEST, text.into())
    }

    fn not_allowed(methods: &str) -> Self {
        Problem(StatusCode::METHOD_NOT_ALLOWED, format!("use {methods} here"))
    }
}

/// Reads a body of JSON.
async fn read<T: DeserializeOwned, B>(gateway: &Gateway<B>, body: Incoming) -> Result<T, Problem> {
    let too_large =
        || Problem(StatusCode::PAYLOAD_TOO_LARGE, format!("the body has more than {BODY_BYTES_MAX} bytes"));
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(too_large());
    }
    let collected = timeout(gateway.config.limits.head_timeout, Limited::new(body, BODY_BYTES_MAX).collect());
    let bytes = match collected.await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_large()),
        Ok(Err(_)) => return Err(Problem::bad("the body ended early")),
        Err(_) => return Err(Problem(StatusCode::REQUEST_TIMEOUT, "the body took too long".to_owned())),
    };
    serde_json::from_slice(&bytes)
        .map_err(|error| Problem::bad(format!("the body is not what is expected: {error}")))
}
