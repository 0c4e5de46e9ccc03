//! Calls to integrations, and what becomes of their answers.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use dunlin_events::{ErrorFrame, ErrorMessage, EventType, ProxyResult, limits};

use crate::{
    Backend, BackendError,
    api::{Api, Route},
    calling::{Site, call},
    connection::{Connection, InFlight},
    event::{EventSource, MESSAGE_CONTEXT, Occasion},
    frames::Frames,
    gateway::{Gateway, Listener},
    integration::{Context, Prepared},
    report::{Fault, Report, Step},
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
    /// Without the reason, which may repeat the body.
    #[error("the body does not fit its model")]
    BadBody(String),
    /// Which matters only where somebody waits for the answer.
    #[error("no integration response is for the answer, and there is no $default")]
    NoResponse,
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
            Failure::BadBody(_) => 400,
            Failure::NotPermitted
            | Failure::NoIntegration
            | Failure::NoResponse
            | Failure::Mapping(_)
            | Failure::Backend(
                BackendError::NotPermitted | BackendError::NotFound | BackendError::Throttled,
            ) => 500,
            Failure::Malformed(_) | Failure::Endpoint(_) | Failure::Backend(_) => 502,
        }
    }

    /// The text of the error frame for a message that fails this way (R9, R10, R10a).
    pub(crate) fn message(&self) -> ErrorMessage {
        match self {
            Failure::TimedOut => ErrorMessage::EndpointRequestTimedOut,
            Failure::BadBody(_) => ErrorMessage::BadRequestBody,
            Failure::NoTemplate => ErrorMessage::UnsupportedMediaType,
            _ => ErrorMessage::InternalServerError,
        }
    }
}

impl Failure {
    /// Why a body does not fit its model (M3).
    fn validation_error(&self) -> Option<&str> {
        match self {
            Failure::BadBody(reason) => Some(reason),
            _ => None,
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

/// A message, for whoever tells what came of it.
#[derive(Clone, Copy)]
struct Told<'a> {
    api: &'a Api,
    connection: &'a Connection,
    request_id: &'a str,
    message_id: &'a str,
    now_ms: u64,
    delivery: Delivery,
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
    let message_id = gateway.ids.message(now_ms, connection.suffix);
    let told = Told {
        api,
        connection,
        request_id: &request_id,
        message_id: &message_id,
        now_ms,
        delivery: Delivery::AfterReading,
    };
    let watch = &connection.stage.watch;
    let Some(route) = api.route(text) else {
        watch.unrouted.metrics.messages.increment();
        refuse(gateway, &told, None, ErrorMessage::Forbidden, 403);
        return;
    };
    watch.of(Some(route)).metrics.messages.increment();
    watch.trace(Some(route), &request_id, "message", text);
    gateway.faults.on_route(connection, &route.key);
    if !connection.stage.buckets.take(&route.key, tick) || !gateway.account.requests.take(tick) {
        refuse(gateway, &told, Some(route), ErrorMessage::TooManyRequests, 429);
        return;
    }
    if let Some(models) = &route.models
        && let Err(failure) = models.check(text)
    {
        answer(gateway, &told, route, Err(failure), None);
        return;
    }
    // The event is made here, so that the text's buffer is free for the next message.
    let occasion = Occasion { route_key: &route.key, request_id: &request_id, now_ms };
    let source = EventSource { api, connection };
    let Some(integration) = &route.integration else {
        answer(gateway, &told, route, Err(Failure::NoIntegration), None);
        return;
    };
    if let Some(result) = integration.constant() {
        answer_at_once(gateway, &told, route, Ok(result));
        return;
    }
    let context = || message_context(api, connection, route, &request_id, &message_id, now_ms);
    let mut prepared = source.prepare_message(integration, &occasion, &message_id, text, context);
    if let Some(result) = integration.answer_at_once(&mut prepared) {
        answer_at_once(gateway, &told, route, result);
        return;
    }
    let message = Message {
        gateway: Arc::clone(gateway),
        api: Arc::clone(api),
        route: Arc::clone(route),
        in_flight: InFlight::new(Arc::clone(connection)),
        request_id,
        message_id,
        now_ms,
    };
    let kill = listener.kill.clone();
    listener.tracker.spawn(kill.run_until_cancelled_owned(message.run(prepared)));
}

/// What mappings see as the context of a message, made if they look.
fn message_context(
    api: &Arc<Api>,
    connection: &Arc<Connection>,
    route: &Arc<Route>,
    request_id: &str,
    message_id: &str,
    now_ms: u64,
) -> Context {
    let (api, connection, route) = (Arc::clone(api), Arc::clone(connection), Arc::clone(route));
    let (request_id, message_id) = (request_id.to_owned(), message_id.to_owned());
    Context::later(MESSAGE_CONTEXT, move || {
        let source = EventSource { api: &api, connection: &connection };
        let occasion = Occasion { route_key: &route.key, request_id: &request_id, now_ms };
        source.message_context(&occasion, &message_id)
    })
}

/// A message with its integration.
struct Message<B> {
    gateway: Arc<Gateway<B>>,
    api: Arc<Api>,
    route: Arc<Route>,
    in_flight: InFlight,
    request_id: String,
    message_id: String,
    now_ms: u64,
}

impl<B: Backend> Message<B> {
    /// Calls the integration and answers the client.
    async fn run(self, prepared: Prepared) {
        let Message { gateway, api, route, in_flight, request_id, message_id, now_ms } = self;
        let connection = in_flight.connection();
        let (result, step) = match &route.integration {
            Some(integration) => {
                let site = Site { route_key: &route.key, connection };
                let (result, step) = call(&gateway, integration, prepared, &site).await;
                (result, Some(step))
            }
            None => (Err(Failure::NoIntegration), None),
        };
        let (request_id, message_id) = (&*request_id, &*message_id);
        let delivery = Delivery::AtOnce;
        let told = Told { api: &api, connection, request_id, message_id, now_ms, delivery };
        answer(&gateway, &told, &route, result, step);
    }
}

/// Tells the client what a mock made, for which nobody was waited.
fn answer_at_once<B>(
    gateway: &Gateway<B>,
    told: &Told<'_>,
    route: &Route,
    result: Result<ProxyResult, Failure>,
) {
    let step = Step::call(&result, Duration::ZERO, false);
    answer(gateway, told, route, result, Some(step));
}

/// Tells the client what came out, if the route does.
fn answer<B>(
    gateway: &Gateway<B>,
    told: &Told<'_>,
    route: &Route,
    result: Result<ProxyResult, Failure>,
    mut step: Option<Step>,
) {
    match result.and_then(|result| if route.two_way { response_text(result).map(Some) } else { Ok(None) }) {
        Ok(text) => {
            if let Some(text) = text {
                told.connection.stage.watch.trace(Some(route), told.request_id, "answer", &text);
                send(gateway, told, Some(route), &text);
            }
            told.report(
                gateway,
                Some(route),
                Outcome { status: 200, error: None, validation_error: None },
                step.as_ref(),
            );
        }
        Err(failure) => {
            let (request_id, connection_id) = (told.request_id, told.connection.id());
            let route_key = &*route.key;
            if let Failure::BadBody(_) = failure {
                // The client's own mistake, which it may repeat as often as it likes.
                tracing::debug!(request_id, connection_id, route_key, "message refused: {failure}");
            } else {
                tracing::warn!(request_id, connection_id, route_key, "message failed: {failure}");
            }
            if let Some(step) = &mut step
                && step.fault.is_none()
            {
                step.fault = Some(Fault::Execution);
                step.error = Some(failure.to_string());
            }
            send_error(gateway, told, Some(route), failure.message());
            let outcome = Outcome {
                status: failure.handshake_status(),
                error: Some(failure.message()),
                validation_error: failure.validation_error(),
            };
            told.report(gateway, Some(route), outcome, step.as_ref());
        }
    }
}

/// Tells the client that its message goes nowhere.
fn refuse<B>(
    gateway: &Gateway<B>,
    told: &Told<'_>,
    route: Option<&Route>,
    message: ErrorMessage,
    status: u16,
) {
    send_error(gateway, told, route, message);
    let outcome = Outcome { status, error: Some(message), validation_error: None };
    told.report(gateway, route, outcome, None);
}

/// What became of a message.
struct Outcome<'a> {
    status: u16,
    error: Option<ErrorMessage>,
    validation_error: Option<&'a str>,
}

impl Told<'_> {
    fn report<B>(
        &self,
        gateway: &Gateway<B>,
        route: Option<&Route>,
        outcome: Outcome<'_>,
        integration: Option<&Step>,
    ) {
        let report = Report {
            event_type: EventType::Message,
            api: self.api,
            route,
            connection: self.connection,
            request_id: self.request_id,
            message_id: Some(self.message_id),
            now_ms: self.now_ms,
            status: outcome.status,
            error: outcome.error.map(ErrorMessage::as_str),
            validation_error: outcome.validation_error,
            integration,
            gates: None,
        };
        report.tell(&gateway.counters);
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

fn send_error<B>(gateway: &Gateway<B>, told: &Told<'_>, route: Option<&Route>, message: ErrorMessage) {
    let request_id = match message {
        ErrorMessage::BadRequestBody => told.message_id,
        _ => told.request_id,
    };
    let frame = ErrorFrame { message, connection_id: &told.connection.id(), request_id };
    gateway.counters.error_frames.increment();
    send(gateway, told, route, &frame.to_string());
}

fn send<B>(gateway: &Gateway<B>, told: &Told<'_>, route: Option<&Route>, text: &str) {
    let connection = told.connection;
    let (message, bytes_max) = (Frames::text(text), gateway.config.limits.outbox_bytes_max);
    // Before the client can have it: whoever then sets the clock ahead finds the connection idle since now.
    let tick = gateway.tick();
    let sent = match told.delivery {
        Delivery::AtOnce => connection.outbox.answer(message, bytes_max),
        Delivery::AfterReading => connection.outbox.answer_later(message, bytes_max),
    };
    match sent {
        Ok(()) => {
            gateway.counters.messages_out.increment();
            connection.stage.watch.of(route).metrics.messages.increment();
            connection.touch(tick);
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
