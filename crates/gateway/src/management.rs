//! The management API: `@connections` (section 6).

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use dunlin_events::limits;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use serde::Serialize;
use time::{format_description::FormatItem, macros::format_description};
use tokio::time::timeout;

use crate::{
    api::{Api, Stage},
    closing::CloseCause,
    connection::Connection,
    domain::{Way, first_segment},
    gateway::Gateway,
    http_service::{Answer, json, message},
    post::{Post, PostError, deliver},
    registry::parse_id,
    sigv4::SignedRequest,
    stream::LINGER_BYTES_MAX,
};

/// What a management path names.
#[derive(Debug)]
pub(crate) struct Target {
    api: Arc<Api>,
    stage: Arc<Stage>,
    connection_id: String,
}

impl Target {
    /// Reads what comes after a stage or a base path: `/@connections/{id}`, with any character percent-encoded or not (C6).
    pub(crate) fn parse(way: &Way<'_, '_>) -> Option<Self> {
        let (marker, rest) = first_segment(way.rest)?;
        let (connection_id, rest) = first_segment(rest)?;
        let is_whole = rest.is_empty() && marker == "@connections" && !connection_id.is_empty();
        is_whole.then(|| Target {
            api: Arc::clone(way.api),
            stage: Arc::clone(way.stage),
            connection_id: connection_id.into_owned(),
        })
    }

    pub(crate) fn connection_id(&self) -> &str {
        &self.connection_id
    }
}

/// Answers one call. The signature is checked before anything is told about connections.
pub(crate) async fn answer<B>(gateway: &Gateway<B>, target: Target, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    let body = match timeout(gateway.config.limits.head_timeout, collect(body)).await {
        Ok(Ok(body)) => body,
        Ok(Err(answer)) => return answer,
        Err(_) => return message(StatusCode::REQUEST_TIMEOUT, "the body took too long"),
    };
    let signed = SignedRequest {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query(),
        headers: &parts.headers,
        body: &body,
    };
    if let Err(denied) = gateway.verifier.verify(&signed, gateway.time.real()) {
        tracing::debug!("management call denied: {denied}");
        return error(StatusCode::FORBIDDEN, denied.error_type(), &denied.to_string());
    }
    act(gateway, &target, &parts, body)
}

fn act<B>(gateway: &Gateway<B>, target: &Target, parts: &Parts, body: Bytes) -> Answer {
    if ![Method::POST, Method::GET, Method::DELETE].contains(&parts.method) {
        return message(StatusCode::FORBIDDEN, "Forbidden");
    }
    if !gateway.account.requests.take(gateway.tick()) {
        gateway.counters.posts_throttled.increment();
        return error(StatusCode::TOO_MANY_REQUESTS, "LimitExceededException", "Too Many Requests");
    }
    let Some(key) = parse_id(&target.connection_id) else {
        let text = format!("Invalid connectionId: {}", target.connection_id);
        return error(StatusCode::BAD_REQUEST, "BadRequestException", &text);
    };
    if parts.method == Method::POST
        && let Some(status) = gateway.faults.on_post(&target.connection_id)
    {
        return faulty(gateway, status);
    }
    let connection =
        target.api.registry.get(&key).filter(|connection| connection.stage.name == target.stage.name);
    let Some(connection) = connection else {
        // C14.
        return if gateway.is_of_another_api(&key, &target.api) {
            message(StatusCode::FORBIDDEN, "Forbidden")
        } else {
            gone()
        };
    };
    match parts.method {
        Method::POST => post(gateway, &connection, &body),
        Method::DELETE => match connection.outbox.close(CloseCause::Deleted) {
            Ok(()) => {
                // At once, so that whoever asks next learns that it is gone (C12).
                target.api.registry.remove(&key);
                empty(StatusCode::NO_CONTENT)
            }
            Err(_) => gone(),
        },
        _ => get(&connection),
    }
}

/// Hands a payload over to the connection; 200 says accepted, not received (C9).
fn post<B>(gateway: &Gateway<B>, connection: &Connection, body: &Bytes) -> Answer {
    // U11: everything is sent as text (C7), and what is not text can only be refused.
    match Post::new(body).and_then(|post| deliver(gateway, connection, &post, gateway.tick())) {
        Ok(()) => empty(StatusCode::OK),
        Err(PostError::Gone) => gone(),
        Err(PostError::Throttled) => {
            let text = "the connection does not read what it gets; try again later";
            error(StatusCode::TOO_MANY_REQUESTS, "LimitExceededException", text)
        }
        Err(PostError::NotText | PostError::TooLarge) => {
            let text = "the payload is not UTF-8, and connections carry text only";
            error(StatusCode::BAD_REQUEST, "BadRequestException", text)
        }
    }
}

/// What is known of a connection (C2).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Description<'a> {
    connected_at: String,
    identity: Identity<'a>,
    last_active_at: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    source_ip: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
}

fn get(connection: &Arc<Connection>) -> Answer {
    const ISO_8601: &[FormatItem<'_>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    let time = |epoch_ms| dunlin_events::utc(epoch_ms).format(ISO_8601).unwrap_or_default();
    let description = Description {
        connected_at: time(connection.connected_at),
        identity: Identity {
            source_ip: connection.source_ip.to_string(),
            user_agent: connection.user_agent.as_deref(),
        },
        last_active_at: time(connection.last_active_at()),
    };
    json(StatusCode::OK, serde_json::to_string(&description).unwrap_or_default())
}

/// Reads a body of at most a message's size. Of a larger one the rest is read and dropped up to a bound, so that the
/// client comes to read the answer.
async fn collect(mut body: Incoming) -> Result<Bytes, Answer> {
    let mut collected = BytesMut::new();
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(message(StatusCode::BAD_REQUEST, "the body ended early"));
        };
        let Ok(data) = frame.into_data() else { continue };
        total += data.len();
        if total > LINGER_BYTES_MAX {
            break;
        }
        if total > limits::MESSAGE_BYTES_MAX {
            collected.clear();
            continue;
        }
        if body.is_end_stream() && collected.is_empty() {
            return Ok(data);
        }
        collected.extend_from_slice(&data);
    }
    if total > limits::MESSAGE_BYTES_MAX {
        let text = format!("the payload is larger than {} bytes", limits::MESSAGE_BYTES_MAX);
        return Err(error(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLargeException", &text));
    }
    Ok(collected.freeze())
}

/// What somebody asked to see instead of the truth.
fn faulty<B>(gateway: &Gateway<B>, status: StatusCode) -> Answer {
    match status {
        StatusCode::GONE => gone(),
        StatusCode::TOO_MANY_REQUESTS => {
            gateway.counters.posts_throttled.increment();
            error(status, "LimitExceededException", "Too Many Requests")
        }
        _ => error(status, "InternalServerErrorException", "Internal server error"),
    }
}

/// 410 with its code in a header and no body (C4, U16).
fn gone() -> Answer {
    let mut answer = empty(StatusCode::GONE);
    answer.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static("GoneException"));
    answer
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    if status == StatusCode::OK {
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    answer
}

/// An error that SDKs type by its header.
fn error(status: StatusCode, error_type: &'static str, text: &str) -> Answer {
    let mut answer = message(status, text);
    answer.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(error_type));
    answer
}
