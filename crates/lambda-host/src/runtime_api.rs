use std::sync::Arc;

use base64::Engine;
use bytes::Bytes;
use dunlin_events::limits::RUNTIME_RESPONSE_BYTES_MAX;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::value::RawValue;
use tokio::net::TcpListener;

use crate::{
    FunctionErrorKind, RequestId,
    config::RandomBytes,
    environment::{Environment, NextEvent},
    extensions_api,
    failure::{Failure, error_object},
    function::Function,
    http_server::{BodyError, Connections, Reply, is_from_a_web_page, json, read_body},
    limits::ERROR_BODY_BYTES_MAX,
    outstanding::Refusal,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
const DEADLINE_MS: HeaderName = HeaderName::from_static("lambda-runtime-deadline-ms");
const FUNCTION_ARN: HeaderName = HeaderName::from_static("lambda-runtime-invoked-function-arn");
const TRACE_ID: HeaderName = HeaderName::from_static("lambda-runtime-trace-id");
const CLIENT_CONTEXT: HeaderName = HeaderName::from_static("lambda-runtime-client-context");
const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");
const ERROR_BODY: HeaderName = HeaderName::from_static("lambda-runtime-function-error-body");
const RESPONSE_MODE: HeaderName = HeaderName::from_static("lambda-runtime-function-response-mode");

/// The Runtime API and the Extensions API of one environment, on an address that only its process is told.
pub(crate) struct RuntimeApi {
    pub(crate) environment: Arc<Environment>,
    pub(crate) function: FunctionFacts,
}

/// What the two APIs say about the function.
pub(crate) struct FunctionFacts {
    pub(crate) name: Arc<str>,
    pub(crate) handler: String,
    pub(crate) account_id: String,
    arn: HeaderValue,
    random_bytes: RandomBytes,
    wall_clock: crate::WallClock,
}

/// Serves until the connections' token says otherwise.
pub(crate) fn serve(
    environment: &Arc<Environment>,
    function: &Function,
    listener: TcpListener,
    connections: &Connections,
) {
    let config = &function.shared.config;
    let api = Arc::new(RuntimeApi {
        environment: Arc::clone(environment),
        function: FunctionFacts {
            name: Arc::clone(&function.name),
            handler: function.config.handler.clone(),
            account_id: config.account_id.clone(),
            arn: function.arn_header.clone(),
            random_bytes: Arc::clone(&config.random_bytes),
            wall_clock: Arc::clone(&config.wall_clock),
        },
    });
    let connections = connections.clone();
    tokio::spawn(async move {
        let handle = move |request| {
            let api = Arc::clone(&api);
            async move { api.handle(request).await }
        };
        // No time limit on the head: a process keeps its connection while it waits for events.
        connections.serve(listener, None, handle).await;
    });
}

impl RuntimeApi {
    async fn handle(&self, request: Request<Incoming>) -> Reply {
        if is_from_a_web_page(request.headers()) {
            return refusal(
                StatusCode::FORBIDDEN,
                "Forbidden",
                "web pages have no access to the Runtime API".to_owned(),
            );
        }
        let path = request.uri().path();
        let get = request.method() == Method::GET;
        let post = request.method() == Method::POST;
        if let Some(call) = path.strip_prefix("/2018-06-01/runtime/") {
            match call {
                "invocation/next" if get => return self.next().await,
                "init/error" if post => return self.init_error(request).await,
                "restore/next" if get => return wrong_state(),
                "restore/error" if post => return wrong_state(),
                _ => {}
            }
            if let Some((id, verb)) = call.strip_prefix("invocation/").and_then(|rest| rest.split_once('/')) {
                let id = id.to_owned();
                match verb {
                    "response" if post => return self.response(&id, request).await,
                    "error" if post => return self.error(&id, request).await,
                    _ => {}
                }
            }
        } else if extensions_api::serves(path) {
            return extensions_api::handle(self, request).await;
        }
        let call = format!("{} {path} is not a call of the Runtime API", request.method());
        refusal(StatusCode::NOT_FOUND, "NotFound", call)
    }

    /// Blocks until there is an event: a poll that has nothing to say must not answer (P10).
    async fn next(&self) -> Reply {
        match self.environment.poll().await {
            Ok(event) => self.event(event),
            // The environment is ending. Its process hears of that by a signal, not by an answer.
            Err(_) => std::future::pending().await,
        }
    }

    /// The headers are P1's; those without a value are left out.
    fn event(&self, event: NextEvent) -> Reply {
        let mut reply = json(StatusCode::OK, event.payload);
        let headers = reply.headers_mut();
        headers.insert(DEADLINE_MS, text_header(&event.deadline_ms.to_string()));
        headers.insert(REQUEST_ID, text_header(event.request_id.as_str()));
        headers.insert(FUNCTION_ARN, self.function.arn.clone());
        for (name, value) in [(TRACE_ID, event.trace_id), (CLIENT_CONTEXT, event.client_context)] {
            if let Some(value) = value {
                headers.insert(name, text_header(&value));
            }
        }
        reply
    }

    async fn response(&self, id: &str, request: Request<Incoming>) -> Reply {
        if let Err(refused) = self.environment.check_at(id) {
            return refused_call(refused);
        }
        // An answer that is sent in pieces is passed on whole: nobody behind this host takes pieces (P6).
        let mode = request.headers().get(RESPONSE_MODE).map(HeaderValue::as_bytes);
        if !matches!(mode, None | Some(b"streaming" | b"buffered")) {
            return refusal(
                StatusCode::BAD_REQUEST,
                "InvalidFunctionResponseMode",
                "Invalid function response mode".to_owned(),
            );
        }
        match read_body(request.into_body(), RUNTIME_RESPONSE_BYTES_MAX).await {
            Ok((_, Some(trailers))) if trailers.contains_key(ERROR_TYPE) => {
                let error = trailer_error(&trailers);
                self.settle(id, error, Some(FunctionErrorKind::Reported))
            }
            Ok((payload, _)) => self.settle(id, payload, None),
            Err(BodyError::TooLarge { .. }) => {
                let failure = Failure::ResponseTooLarge;
                let payload = failure.payload(&self.any_id(), (self.function.wall_clock)());
                self.settle(id, payload, Some(failure.kind()));
                refusal(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "RequestEntityTooLarge",
                    format!("Exceeded maximum allowed payload size ({RUNTIME_RESPONSE_BYTES_MAX} bytes)."),
                )
            }
            Err(BodyError::CutOff) => cut_off(),
        }
    }

    async fn error(&self, id: &str, request: Request<Incoming>) -> Reply {
        if let Err(refused) = self.environment.check_at(id) {
            return refused_call(refused);
        }
        match error_body(request).await {
            Ok(body) => self.settle(id, body, Some(FunctionErrorKind::Reported)),
            Err(reply) => reply,
        }
    }

    fn settle(&self, id: &str, payload: Bytes, error: Option<FunctionErrorKind>) -> Reply {
        match self.environment.answer(id, payload, error) {
            Ok(()) => accepted(),
            Err(refused) => refused_call(refused),
        }
    }

    async fn init_error(&self, request: Request<Incoming>) -> Reply {
        let body = match error_body(request).await {
            Ok(body) => body,
            Err(reply) => return reply,
        };
        match self.environment.fail_init(Failure::InitReported(body)) {
            Ok(()) => accepted(),
            Err(refused) => refused_call(refused),
        }
    }

    pub(crate) fn any_id(&self) -> RequestId {
        RequestId::random(&self.function.random_bytes)
    }
}

/// The error object that a function posts, or one made of what it posted instead.
async fn error_body(request: Request<Incoming>) -> Result<Bytes, Reply> {
    let error_type = text_of(request.headers(), &ERROR_TYPE).unwrap_or("Runtime.UnknownReason").to_owned();
    let body = match read_body(request.into_body(), ERROR_BODY_BYTES_MAX).await {
        Ok((body, _)) => body,
        Err(BodyError::CutOff) => return Err(cut_off()),
        // What went wrong is worth more than its details.
        Err(BodyError::TooLarge { .. }) => Bytes::from_static(b"the error's description was too large"),
    };
    if serde_json::from_slice::<&RawValue>(&body).is_ok() {
        return Ok(body);
    }
    Ok(error_object(&error_type, String::from_utf8_lossy(&body).into_owned()))
}

/// An error that a streaming function reports after its last byte (P6).
fn trailer_error(trailers: &HeaderMap) -> Bytes {
    let body = trailers
        .get(ERROR_BODY)
        .and_then(|body| base64::engine::general_purpose::STANDARD.decode(body).ok())
        .filter(|body| serde_json::from_slice::<&RawValue>(body).is_ok());
    match body {
        Some(body) => body.into(),
        None => error_object(text_of(trailers, &ERROR_TYPE).unwrap_or_default(), String::new()),
    }
}

pub(crate) fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A value that no header can carry is left empty rather than refused: the event is worth more.
pub(crate) fn text_header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

pub(crate) fn accepted() -> Reply {
    json(StatusCode::ACCEPTED, Bytes::from_static(br#"{"status":"OK"}"#))
}

pub(crate) fn refused_call(refused: Refusal) -> Reply {
    match refused {
        Refusal::UnknownInvocation => {
            refusal(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID".to_owned())
        }
        Refusal::WrongState => wrong_state(),
        Refusal::TooLate => refusal(StatusCode::GONE, "InvokeTimeout", "Invoke timeout".to_owned()),
    }
}

fn wrong_state() -> Reply {
    refusal(StatusCode::FORBIDDEN, "InvalidStateTransition", "State transition is not allowed".to_owned())
}

pub(crate) fn cut_off() -> Reply {
    refusal(StatusCode::BAD_REQUEST, "TruncatedHTTPRequest", "HTTP request detected as truncated".to_owned())
}

pub(crate) fn refusal(status: StatusCode, error_type: &str, message: String) -> Reply {
    json(status, error_object(error_type, message))
}
