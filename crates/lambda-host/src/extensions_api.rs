//! The Extensions API: how a program or a thread beside the function is told of the environment's life (P16).

use http::{HeaderMap, HeaderName, Method, Request, StatusCode};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};

use crate::{
    extensions::Subscription,
    failure::Failure,
    http_server::{BodyError, Reply, json, read_body},
    limits::REGISTRATION_BYTES_MAX,
    outstanding::Refusal,
    runtime_api::{RuntimeApi, accepted, cut_off, refusal, refused_call, text_header, text_of},
};

const NAME: HeaderName = HeaderName::from_static("lambda-extension-name");
const IDENTIFIER: HeaderName = HeaderName::from_static("lambda-extension-identifier");
const FEATURES: HeaderName = HeaderName::from_static("lambda-extension-accept-feature");
const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-extension-function-error-type");

const CALLS: &str = "/2020-01-01/extension/";

/// What extensions subscribe to logs with. There is nothing to subscribe to here, and the emulator's answer lets them go on.
const TELEMETRY: [(&str, &str, &str); 2] = [
    ("/2022-07-01/telemetry", "Telemetry.NotSupported", "Telemetry API is not supported"),
    ("/2020-08-15/logs", "Logs.NotSupported", "Logs API is not supported"),
];

/// Whether a path belongs to this API.
pub(crate) fn serves(path: &str) -> bool {
    path.starts_with(CALLS) || TELEMETRY.iter().any(|(known, ..)| *known == path)
}

pub(crate) async fn handle(api: &RuntimeApi, request: Request<Incoming>) -> Reply {
    let path = request.uri().path();
    if let Some((_, error_type, message)) = TELEMETRY.iter().find(|(known, ..)| *known == path) {
        return refusal(StatusCode::ACCEPTED, error_type, (*message).to_owned());
    }
    let call = path.strip_prefix(CALLS).unwrap_or_default();
    match (request.method(), call) {
        (&Method::POST, "register") => register(api, request).await,
        (&Method::GET, "event/next") => next(api, request.headers()).await,
        (&Method::POST, "init/error") => failed(api, request.headers(), true),
        (&Method::POST, "exit/error") => failed(api, request.headers(), false),
        (method, _) => {
            let text = format!("{method} {path} is not a call of the Extensions API");
            refusal(StatusCode::NOT_FOUND, "NotFound", text)
        }
    }
}

async fn register(api: &RuntimeApi, request: Request<Incoming>) -> Reply {
    #[derive(Deserialize)]
    struct Registration {
        #[serde(default)]
        events: Vec<String>,
    }
    let forbidden = |error_type, message| refusal(StatusCode::FORBIDDEN, error_type, message);
    let (parts, body) = request.into_parts();
    let Some(name) = text_of(&parts.headers, &NAME).filter(|name| !name.is_empty()) else {
        return forbidden("Extension.InvalidExtensionName", "Empty extension name".to_owned());
    };
    let body = match read_body(body, REGISTRATION_BYTES_MAX).await {
        Ok((body, _)) => body,
        Err(BodyError::CutOff) => return cut_off(),
        Err(BodyError::TooLarge { bytes }) => {
            let message =
                format!("the registration has {bytes} bytes; at most {REGISTRATION_BYTES_MAX} are taken");
            return forbidden("InvalidRequestFormat", message);
        }
    };
    let registration: Registration = match serde_json::from_slice(&body) {
        Ok(registration) => registration,
        Err(error) => return forbidden("InvalidRequestFormat", error.to_string()),
    };
    let mut events = Vec::with_capacity(2);
    for event in registration.events {
        events.push(match event.as_str() {
            "INVOKE" => Subscription::Invoke,
            "SHUTDOWN" => Subscription::Shutdown,
            _ => {
                let message = format!("{event}: an extension registers for INVOKE and SHUTDOWN");
                return forbidden("Extension.InvalidEventType", message);
            }
        });
    }
    let identifier = api.any_id();
    if let Err((error_type, message)) = api.environment.register_extension(name, &identifier, &events) {
        return forbidden(error_type, message);
    }
    if events.contains(&Subscription::Shutdown) {
        tracing::warn!(
            function = &*api.function.name,
            "extension {name} asks for SHUTDOWN: the service allows that only to a program in /opt/extensions"
        );
    }
    registered(api, &parts.headers, identifier.as_str())
}

fn registered(api: &RuntimeApi, headers: &HeaderMap, identifier: &str) -> Reply {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Registered<'a> {
        function_name: &'a str,
        function_version: &'a str,
        handler: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        account_id: Option<&'a str>,
    }
    let features = text_of(headers, &FEATURES).unwrap_or_default();
    let wants_account = features.split(',').any(|feature| feature.trim() == "accountId");
    let registered = Registered {
        function_name: &api.function.name,
        function_version: "$LATEST",
        handler: &api.function.handler,
        account_id: wants_account.then_some(&api.function.account_id),
    };
    let body = serde_json::to_vec(&registered).expect("texts are always JSON");
    let mut reply = json(StatusCode::OK, body);
    reply.headers_mut().insert(IDENTIFIER, text_header(identifier));
    reply
}

/// Blocks until there is an event.
async fn next(api: &RuntimeApi, headers: &HeaderMap) -> Reply {
    let identifier = match identifier(api, headers) {
        Ok((identifier, _)) => identifier,
        Err(reply) => return *reply,
    };
    let Some(poll) = api.environment.poll_extension(identifier) else { return unknown() };
    match poll.await {
        Ok(event) => {
            let body = serde_json::to_vec(&event).expect("texts and numbers are always JSON");
            let mut reply = json(StatusCode::OK, body);
            reply.headers_mut().insert(IDENTIFIER, text_header(identifier));
            reply
        }
        // Another poll of the same extension has taken its place, or the environment has ended without an event for it.
        Err(_) => std::future::pending().await,
    }
}

/// The extension cannot begin, or cannot go on: then the environment cannot either.
fn failed(api: &RuntimeApi, headers: &HeaderMap, init: bool) -> Reply {
    let name = match identifier(api, headers) {
        Ok((_, name)) => name,
        Err(reply) => return *reply,
    };
    let Some(error_type) = text_of(headers, &ERROR_TYPE).map(str::to_owned) else {
        let message = "Lambda-Extension-Function-Error-Type not found".to_owned();
        return refusal(StatusCode::FORBIDDEN, "Extension.MissingHeader", message);
    };
    if !init {
        api.environment.fail_later(Failure::ExtensionExit { name, error_type });
        return accepted();
    }
    match api.environment.fail_init(Failure::ExtensionInit { name, error_type }) {
        Ok(()) => accepted(),
        Err(Refusal::WrongState) => {
            let message = "the initialisation is over; use exit/error".to_owned();
            refusal(StatusCode::FORBIDDEN, "Extension.InvalidExtensionState", message)
        }
        Err(refused) => refused_call(refused),
    }
}

/// The extension that calls: its identifier and its name.
fn identifier<'a>(api: &RuntimeApi, headers: &'a HeaderMap) -> Result<(&'a str, String), Box<Reply>> {
    let Some(identifier) = text_of(headers, &IDENTIFIER) else {
        let message = "Missing Lambda-Extension-Identifier header".to_owned();
        return Err(Box::new(refusal(
            StatusCode::FORBIDDEN,
            "Extension.MissingExtensionIdentifier",
            message,
        )));
    };
    let name = api.environment.extension_name(identifier).ok_or_else(|| Box::new(unknown()))?;
    Ok((identifier, name))
}

fn unknown() -> Reply {
    let message = "Unknown extension identifier".to_owned();
    refusal(StatusCode::FORBIDDEN, "Extension.UnknownExtensionIdentifier", message)
}
