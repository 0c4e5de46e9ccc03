use std::{future::Future, sync::Arc};

use base64::Engine;
use bytes::Bytes;
use dunlin_events::limits::{CLIENT_CONTEXT_BYTES_MAX, INVOKE_EVENT_BYTES_MAX, INVOKE_PAYLOAD_BYTES_MAX};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, request::Parts};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde::{Serialize, de::IgnoredAny};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    InvocationType, InvokeError, InvokeOutcome, InvokeRequest,
    host::Inner,
    http_server::{BodyError, Connections, Reply, Surplus, is_from_a_web_page, json, read_body},
    limits::{INVOKE_BODY_TIMEOUT, INVOKE_CONNECTIONS_MAX, INVOKE_DRAIN_MAX, INVOKE_HEAD_TIMEOUT},
};

/// Decides whether a request to the Invoke API may pass, from its head and its body: the place for a signature check.
/// A refusal is a status and a sentence.
pub type Authorize = Arc<dyn Fn(&Parts, &[u8]) -> Result<(), (StatusCode, String)> + Send + Sync>;

const INVOCATION_TYPE: HeaderName = HeaderName::from_static("x-amz-invocation-type");
const LOG_TYPE: HeaderName = HeaderName::from_static("x-amz-log-type");
const CLIENT_CONTEXT: HeaderName = HeaderName::from_static("x-amz-client-context");
const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");
const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
const LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");
const EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// Serves until `shutdown` completes; exchanges that are under way then get a moment to end.
pub(crate) async fn serve(
    host: Arc<Inner>,
    listener: TcpListener,
    authorize: Option<Authorize>,
    shutdown: impl Future<Output = ()>,
) {
    let stop = CancellationToken::new();
    let connections =
        Connections::new("the Invoke API", INVOKE_CONNECTIONS_MAX, Surplus::Waits, stop.clone());
    let handle = move |request| {
        let (host, authorize) = (Arc::clone(&host), authorize.clone());
        async move {
            let result = handle(&host, authorize.as_ref(), request).await;
            let mut reply = result.unwrap_or_else(Refused::into_reply);
            if !reply.headers().contains_key(REQUEST_ID) {
                reply.headers_mut().insert(REQUEST_ID, header_value(host.new_id().as_str()));
            }
            reply
        }
    };
    tokio::select! {
        () = connections.serve(listener, Some(INVOKE_HEAD_TIMEOUT), handle) => {}
        () = shutdown => {}
    }
    drop(timeout(INVOKE_DRAIN_MAX, connections.all_closed()).await);
    stop.cancel();
}

async fn handle(
    host: &Arc<Inner>,
    authorize: Option<&Authorize>,
    request: Request<Incoming>,
) -> Result<Reply, Refused> {
    let (parts, body) = request.into_parts();
    // With a hook it is the signature that decides, and a page may have one.
    if authorize.is_none() && is_from_a_web_page(&parts.headers) {
        return Err(Refused::new(
            StatusCode::FORBIDDEN,
            "AccessDeniedException",
            "web pages may not invoke functions",
        ));
    }
    let read = timeout(INVOKE_BODY_TIMEOUT, read_body(body, INVOKE_PAYLOAD_BYTES_MAX)).await;
    let body = match read.unwrap_or(Err(BodyError::CutOff)) {
        Ok((body, _)) => body,
        Err(BodyError::TooLarge { bytes }) => {
            let (invocation_type, bytes_max) = match invocation_type(&parts.headers) {
                Ok(InvocationType::Event) => (InvocationType::Event, INVOKE_EVENT_BYTES_MAX),
                _ => (InvocationType::RequestResponse, INVOKE_PAYLOAD_BYTES_MAX),
            };
            let error = InvokeError::PayloadTooLarge { bytes, bytes_max, invocation_type };
            return Err(Refused::of(error, host));
        }
        Err(BodyError::CutOff) => {
            return Err(Refused::new(
                StatusCode::BAD_REQUEST,
                "InvalidRequestContentException",
                "the request's body did not arrive whole",
            ));
        }
    };
    if let Some(authorize) = authorize {
        authorize(&parts, &body).map_err(|(status, message)| Refused {
            status,
            error_type: "AccessDeniedException",
            reason: None,
            message,
        })?;
    }
    invoke(host, &parts, body).await
}

async fn invoke(host: &Arc<Inner>, parts: &Parts, body: Bytes) -> Result<Reply, Refused> {
    let function = function_of(parts)?;
    // A version or an alias is not there, whatever else is wrong.
    host.find(&function).map_err(|error| Refused::of(error, host))?;
    let invocation_type = invocation_type(&parts.headers)?;
    let log_tail = match text(&parts.headers, &LOG_TYPE) {
        None | Some("None") => false,
        Some("Tail") => true,
        Some(other) => {
            return Err(invalid(format!("X-Amz-Log-Type is {other:?}; it is None or Tail")));
        }
    };
    if !body.is_empty()
        && let Err(error) = serde_json::from_slice::<IgnoredAny>(&body)
    {
        return Err(Refused {
            status: StatusCode::BAD_REQUEST,
            error_type: "InvalidRequestContentException",
            reason: None,
            message: format!("Could not parse request body into json: {error}"),
        });
    }
    // No payload is the empty event.
    let payload = if body.is_empty() { Bytes::from_static(b"{}") } else { body };
    let request = InvokeRequest {
        function,
        payload,
        invocation_type,
        client_context: client_context(&parts.headers)?,
        trace_id: text(&parts.headers, &TRACE_ID).map(str::to_owned),
        log_tail,
        crash: false,
    };
    let outcome = host.invoke(request).await.map_err(|error| Refused::of(error, host))?;
    Ok(reply(invocation_type, outcome))
}

fn reply(invocation_type: InvocationType, outcome: InvokeOutcome) -> Reply {
    let status = match invocation_type {
        InvocationType::RequestResponse => StatusCode::OK,
        InvocationType::Event => StatusCode::ACCEPTED,
        InvocationType::DryRun => StatusCode::NO_CONTENT,
    };
    let mut reply = json(status, outcome.payload);
    let headers = reply.headers_mut();
    headers.insert(REQUEST_ID, header_value(outcome.request_id.as_str()));
    if invocation_type == InvocationType::RequestResponse {
        headers.insert(EXECUTED_VERSION, HeaderValue::from_static(outcome.executed_version));
        if let Some(kind) = outcome.function_error {
            headers.insert(FUNCTION_ERROR, HeaderValue::from_static(kind.header_value()));
        }
        if let Some(log_tail) = outcome.log_tail {
            let encoded = base64::engine::general_purpose::STANDARD.encode(log_tail);
            headers.insert(LOG_RESULT, header_value(&encoded));
        }
    }
    reply
}

/// `/2015-03-31/functions/{name or ARN}/invocations[?Qualifier=]` (N1).
fn function_of(parts: &Parts) -> Result<String, Refused> {
    let path = parts.uri.path();
    let encoded = path
        .strip_prefix("/2015-03-31/functions/")
        .and_then(|rest| rest.strip_suffix("/invocations"))
        .filter(|function| !function.is_empty() && !function.contains('/'));
    let Some(encoded) = encoded.filter(|_| parts.method == Method::POST) else {
        return Err(Refused {
            status: StatusCode::NOT_FOUND,
            error_type: "ResourceNotFoundException",
            reason: None,
            message: format!(
                "{} {path} is not served here; invoke with POST /2015-03-31/functions/{{name}}/invocations",
                parts.method
            ),
        });
    };
    let mut function = percent_decode_str(encoded).decode_utf8_lossy().into_owned();
    let query = parts.uri.query().unwrap_or_default();
    let qualifier = query.split('&').find_map(|pair| pair.strip_prefix("Qualifier="));
    if let Some(qualifier) = qualifier {
        let qualifier = percent_decode_str(qualifier).decode_utf8_lossy();
        if qualifier != "$LATEST" {
            function = format!("{function}:{qualifier}");
        }
    }
    Ok(function)
}

fn invocation_type(headers: &HeaderMap) -> Result<InvocationType, Refused> {
    match text(headers, &INVOCATION_TYPE) {
        None => Ok(InvocationType::RequestResponse),
        Some(name) => name.parse().map_err(|()| {
            invalid(format!("X-Amz-Invocation-Type is {name:?}; it is RequestResponse, Event or DryRun"))
        }),
    }
}

/// Comes as base64 of JSON and goes to the function as JSON.
fn client_context(headers: &HeaderMap) -> Result<Option<String>, Refused> {
    let Some(encoded) = headers.get(CLIENT_CONTEXT) else { return Ok(None) };
    if encoded.len() > CLIENT_CONTEXT_BYTES_MAX {
        return Err(invalid(format!(
            "X-Amz-Client-Context has {} bytes; at most {CLIENT_CONTEXT_BYTES_MAX} are taken",
            encoded.len()
        )));
    }
    base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .filter(|text| HeaderValue::from_str(text).is_ok())
        .map(Some)
        .ok_or_else(|| invalid("X-Amz-Client-Context is not base64 of one line of JSON".to_owned()))
}

/// A reply other than an outcome.
struct Refused {
    status: StatusCode,
    error_type: &'static str,
    reason: Option<&'static str>,
    message: String,
}

impl Refused {
    fn new(status: StatusCode, error_type: &'static str, message: &str) -> Self {
        Self { status, error_type, reason: None, message: message.to_owned() }
    }

    fn of(error: InvokeError, host: &Inner) -> Self {
        let message = error.to_string();
        match error {
            InvokeError::NotFound { function } => {
                let mut message = format!("Function not found: {}", host.arn_of(&function));
                if host.is_qualified(&function) {
                    message.push_str("; functions have no versions or aliases here, only $LATEST");
                }
                Self::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", &message)
            }
            // The service's words; ours are in the log.
            InvokeError::TooManyRequests { throttle, .. } => Self {
                reason: Some(throttle.reason()),
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", "Rate Exceeded.")
            },
            InvokeError::PayloadTooLarge { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", &message)
            }
            InvokeError::ShuttingDown => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceException", &message)
            }
        }
    }

    /// The model writes `Message` for some errors and `message` for the others.
    fn into_reply(self) -> Reply {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(rename = "Reason", skip_serializing_if = "Option::is_none")]
            reason: Option<&'a str>,
            #[serde(rename = "Type")]
            r#type: &'a str,
            #[serde(rename = "Message", skip_serializing_if = "Option::is_none")]
            upper: Option<&'a str>,
            #[serde(rename = "message", skip_serializing_if = "Option::is_none")]
            lower: Option<&'a str>,
        }
        let r#type = if self.status.is_server_error() { "Service" } else { "User" };
        let is_upper = matches!(
            self.error_type,
            "ResourceNotFoundException" | "ServiceException" | "AccessDeniedException"
        );
        let message = Some(self.message.as_str());
        let body = Body {
            reason: self.reason,
            r#type,
            upper: message.filter(|_| is_upper),
            lower: message.filter(|_| !is_upper),
        };
        let mut reply = json(self.status, serde_json::to_vec(&body).expect("texts are always JSON"));
        reply.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(self.error_type));
        reply
    }
}

fn invalid(message: String) -> Refused {
    Refused {
        status: StatusCode::BAD_REQUEST,
        error_type: "InvalidParameterValueException",
        reason: None,
        message,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    // A value that is not text is told apart from an absent one: no name matches it.
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}
