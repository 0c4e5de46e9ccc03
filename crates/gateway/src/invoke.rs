//! Calls to integrations, and what becomes of their answers.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use dunlin_events::{ErrorFrame, ErrorMessage, ProxyResult, limits};

use crate::{
    Backend, BackendError,
    api::{Api, Route},
    calling::{Site, call},
    connection::{Connection, InFlight},
    event::{EventSource, Occasion},
    frames::Frames,
    gateway::{Gateway, Listener},
    integration::Prepared,
};

/// Why an integration gave no proxy result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the integration timed out")]
    TimedOut,
    #[error("the gateway lacks the permission to invoke the function from this route")]
    NotPermitted,
    #[error("the route has no integration")]
    NoIntegration,
    #[error("the function's answer is not a proxy result: {0}")]
    Malformed(String),
    #[error("no request template is for this message, and the passthrough behavior lets nothing else pass")]
    NoTemplate,
    #[error("the mapping failed: {0}")]
    Mapping(String),
    #[error("the endpoint failed: {0}")]
    Endpoint(String),
    #[error("{0}")]
    Backend(#[from] BackendError),
}

impl Failure {
    /// The status of a handshake that fails this way (H10, U22).
    pub(crate) fn handshake_status(&self) -> u16 {
        match self {
            Failure::TimedOut => 504,
            Failure::NoTemplate => 415,
            Failure::NotPermitted
            | Failure::NoIntegration
            | Failure::Mapping(_)
            | Failure::Backend(
                BackendError::NotPermitted | BackendError::NotFound | BackendError::Throttled,
            ) => 500,
            Failure::Malformed(_) | Failure::Endpoint(_) | Failure::Backend(_) => 502,
        }
    }

    /// The text of the error frame for a message that fails this way (R9, R10).
    fn message(&self) -> ErrorMessage {
        match self {
            Failure::TimedOut => ErrorMessage::EndpointRequestTimedOut,
            _ => ErrorMessage::InternalServerError,
        }
    }
}

/// When an answer goes to the socket.
#[derive(Clone, Copy)]
enum Delivery {
    /// By whoever has it.
    AtOnce,
    /// By the connection's task, which is still reading: with all other answers to what it reads.
    AfterReading,
}

/// Routes a message and starts its integration; the caller never waits for it (T8).
pub(crate) fn start_message<B: Backend>(
    gateway: &Arc<Gateway<B>>,
    listener: &Listener,
    api: &Arc<Api>,
    connection: &Arc<Connection>,
    text: &str,
) {
    let now_ms = gateway.now_ms();
    let request_id = gateway.ids.request(now_ms);
    let tick = gateway.tick();
    connection.touch(tick);
    let Some(route) = api.route(text) else {
        send_error(gateway, connection, ErrorMessage::Forbidden, &request_id, Delivery::AfterReading);
        return;
    };
    gateway.faults.on_route(connection, &route.key);
    if !connection.stage.buckets.take(&route.key, tick) || !gateway.account.requests.take(tick) {
        send_error(gateway, connection, ErrorMessage::TooManyRequests, &request_id, Delivery::AfterReading);
        return;
    }
    // The event is made here, so that the text's buffer is free for the next message.
    let message_id = gateway.ids.message(now_ms, connection.suffix);
    let occasion = Occasion { route_key: &route.key, request_id: &request_id, now_ms };
    let source = EventSource { api, connection };
    let Some(integration) = &route.integration else {
        answer(gateway, route, connection, Err(Failure::NoIntegration), &request_id, Delivery::AfterReading);
        return;
    };
    if let Some(result) = integration.constant() {
        answer(gateway, route, connection, Ok(result), &request_id, Delivery::AfterReading);
        return;
    }
    let prepared = source.prepare_message(integration, &occasion, &message_id, text);
    if let Some(result) = integration.answer_at_once(&prepared) {
        answer(gateway, route, connection, result, &request_id, Delivery::AfterReading);
        return;
    }
    let in_flight = InFlight::new(Arc::clone(connection));
    let task = message(Arc::clone(gateway), Arc::clone(route), in_flight, prepared, request_id);
    let kill = listener.kill.clone();
    listener.tracker.spawn(kill.run_until_cancelled_owned(task));
}

/// Calls a message's integration and answers the client.
async fn message<B: Backend>(
    gateway: Arc<Gateway<B>>,
    route: Arc<Route>,
    in_flight: InFlight,
    prepared: Prepared,
    request_id: String,
) {
    let result = match &route.integration {
        Some(integration) => {
            let site = Site { route_key: &route.key, connection: in_flight.connection() };
            call(&gateway, integration, prepared, &site).await
        }
        None => Err(Failure::NoIntegration),
    };
    answer(&gateway, &route, in_flight.connection(), result, &request_id, Delivery::AtOnce);
}

/// Tells the client what came out, if the route does.
fn answer<B>(
    gateway: &Gateway<B>,
    route: &Route,
    connection: &Connection,
    result: Result<ProxyResult, Failure>,
    request_id: &str,
    delivery: Delivery,
) {
    match result.and_then(|result| if route.two_way { response_text(result).map(Some) } else { Ok(None) }) {
        Ok(Some(text)) => send(gateway, connection, &text, delivery),
        Ok(None) => {}
        Err(failure) => {
            let connection_id = connection.id();
            tracing::warn!(request_id, connection_id, route_key = &*route.key, "message failed: {failure}");
            send_error(gateway, connection, failure.message(), request_id, delivery);
        }
    }
}

/// The message of a two-way route: the body, unchanged, whatever the status (T3, U6); an empty one without (T4).
fn response_text(result: ProxyResult) -> Result<String, Failure> {
    let body = result.body.unwrap_or_default();
    let text = if result.is_base64_encoded == Some(true) {
        let decoded = STANDARD.decode(body).map_err(|error| Failure::Malformed(format!("body: {error}")))?;
        String::from_utf8(decoded).map_err(|error| Failure::Malformed(format!("body: {error}")))?
    } else {
        body
    };
    if text.len() > limits::MESSAGE_BYTES_MAX {
        return Err(Failure::Malformed(format!(
            "a body of {} bytes does not fit into a message",
            text.len()
        )));
    }
    Ok(text)
}

fn send_error<B>(
    gateway: &Gateway<B>,
    connection: &Connection,
    message: ErrorMessage,
    request_id: &str,
    delivery: Delivery,
) {
    let frame = ErrorFrame { message, connection_id: &connection.id(), request_id };
    gateway.counters.error_frames.increment();
    send(gateway, connection, &frame.to_string(), delivery);
}

fn send<B>(gateway: &Gateway<B>, connection: &Connection, text: &str, delivery: Delivery) {
    let (message, bytes_max) = (Frames::text(text), gateway.config.limits.outbox_bytes_max);
    let sent = match delivery {
        Delivery::AtOnce => connection.outbox.answer(message, bytes_max),
        Delivery::AfterReading => connection.outbox.answer_later(message, bytes_max),
    };
    match sent {
        Ok(()) => {
            gateway.counters.messages_out.increment();
            connection.touch(gateway.tick());
        }
        Err(crate::outbox::Refused::Full) => {
            gateway.counters.answers_dropped.increment();
            tracing::warn!(
                connection_id = connection.id(),
                "the client does not read: an answer was dropped"
            );
        }
        // The client left while the function ran.
        Err(crate::outbox::Refused::Closed) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(answer: &str, expected: Option<&str>) {
        let text = response_text(ProxyResult::from_answer(answer.as_bytes()).unwrap());
        assert_eq!(text.ok().as_deref(), expected, "{answer}");
    }

    #[test]
    fn two_way_routes_send_the_body() {
        check(r#"{"statusCode":200,"body":" as it is\n"}"#, Some(" as it is\n"));
        check(r#"{"statusCode":500,"body":"too"}"#, Some("too"));
        check(r#"{"statusCode":200}"#, Some(""));
        check("null", Some(""));
        check(r#"{"statusCode":200,"body":"w6Q=","isBase64Encoded":true}"#, Some("ä"));
        check(r#"{"statusCode":200,"body":"w6Q=","isBase64Encoded":false}"#, Some("w6Q="));
        check(r#"{"statusCode":200,"body":"/w==","isBase64Encoded":true}"#, None);
        check(r#"{"statusCode":200,"body":"!","isBase64Encoded":true}"#, None);
        let body = |length| format!(r#"{{"statusCode":200,"body":"{}"}}"#, "x".repeat(length));
        let max = "x".repeat(limits::MESSAGE_BYTES_MAX);
        check(&body(limits::MESSAGE_BYTES_MAX), Some(&max));
        check(&body(limits::MESSAGE_BYTES_MAX + 1), None);
    }
}
