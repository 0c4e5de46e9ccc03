use std::{borrow::Cow, time::Duration};

use crate::report::{Gates, Report, Step, event_name};

/// The value of a variable of L1, without `$context.`; none if it is not set, or not one.
pub(super) fn value<'r>(report: &'r Report<'_>, name: &str) -> Option<Cow<'r, str>> {
    let connection = report.connection;
    let (first, rest) = name.split_once('.').map_or((name, None), |(first, rest)| (first, Some(rest)));
    let Some(rest) = rest else {
        return match first {
            "apiId" => Some(Cow::Borrowed(&*report.api.id)),
            "connectedAt" => Some(connection.connected_at.to_string().into()),
            "connectionId" => Some(connection.id().into()),
            "domainName" => Some(Cow::Borrowed(&*connection.domain_name)),
            "eventType" => Some(event_name(report.event_type).into()),
            "requestId" | "extendedRequestId" => Some(report.request_id.into()),
            "integrationLatency" => report.integration.map(latency),
            "messageId" => report.message_id.map(Cow::Borrowed),
            "requestTime" => Some(dunlin_events::request_time(report.now_ms).into()),
            "requestTimeEpoch" => Some(report.now_ms.to_string().into()),
            "routeKey" => report.route_key().map(Cow::Borrowed),
            "stage" => Some(Cow::Borrowed(&*connection.stage.name)),
            "status" => Some(report.status.to_string().into()),
            _ => None,
        };
    };
    match first {
        "authenticate" => step(report.gates?.authenticate.as_ref()?, rest),
        "authorize" => step(report.gates?.authorize.as_ref()?, rest),
        "authorizer" => authorizer(report, rest),
        "error" => error(report, rest),
        "identity" => identity(report, rest),
        "integration" => integration(report, rest),
        // There is no web application firewall here.
        _ => None,
    }
}

fn step<'r>(step: &'r Step, name: &str) -> Option<Cow<'r, str>> {
    match name {
        "error" => step.error.as_deref().map(Cow::Borrowed),
        "latency" => Some(latency(step)),
        "status" => number(step.status),
        _ => None,
    }
}

fn authorizer<'r>(report: &'r Report<'_>, name: &str) -> Option<Cow<'r, str>> {
    let asked = report.gates.and_then(|gates| Some((gates, gates.authorizer.as_ref()?)));
    match (name, asked) {
        ("error" | "latency" | "status", Some((_, asked))) => step(asked, name),
        ("integrationLatency", Some((_, asked))) => Some(latency(asked)),
        ("integrationStatus", Some((_, asked))) => number(asked.service_status),
        ("requestId", Some((Gates { authorizer_request_id, .. }, _))) => {
            authorizer_request_id.as_deref().map(Cow::Borrowed)
        }
        // The principal, and whatever the authorizer said: on every event of the connection (A5).
        _ => {
            let fields = report.connection.authorizer.as_deref()?.get();
            let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(fields).ok()?;
            fields.get(name)?.as_str().map(|value| Cow::Owned(value.to_owned()))
        }
    }
}

fn error<'r>(report: &'r Report<'_>, name: &str) -> Option<Cow<'r, str>> {
    match name {
        "message" => report.error.map(Cow::Borrowed),
        "responseType" => report.error.map(|_| response_type(report).into()),
        "validationErrorString" => report.validation_error.map(Cow::Borrowed),
        _ => None,
    }
}

/// The kinds of gateway responses, as they are called for all APIs of the service; which one it is here is our choice.
fn response_type(report: &Report<'_>) -> &'static str {
    match (report.status, report.integration.is_some()) {
        (400, false) if report.message_id.is_some() => "BAD_REQUEST_BODY",
        (400, false) => "BAD_REQUEST_PARAMETERS",
        (401, false) => "UNAUTHORIZED",
        (403, false) => "ACCESS_DENIED",
        (415, _) => "UNSUPPORTED_MEDIA_TYPE",
        (429, false) => "THROTTLED",
        (504, _) => "INTEGRATION_TIMEOUT",
        (_, true) => "INTEGRATION_FAILURE",
        (400..=499, false) => "DEFAULT_4XX",
        (_, false) => "DEFAULT_5XX",
    }
}

/// What is known of a caller here; there are neither IAM principals nor Cognito.
fn identity<'r>(report: &'r Report<'_>, name: &str) -> Option<Cow<'r, str>> {
    match name {
        "sourceIp" => Some(report.connection.source_ip.to_string().into()),
        "userAgent" => report.connection.user_agent.as_deref().map(Cow::Borrowed),
        "apiKey" => report.connection.api_key.as_ref().map(|key| key.masked().into()),
        "apiKeyId" => report.connection.api_key.as_ref().map(|key| Cow::Borrowed(key.id.as_str())),
        _ => None,
    }
}

fn integration<'r>(report: &'r Report<'_>, name: &str) -> Option<Cow<'r, str>> {
    let called = report.integration?;
    match name {
        "integrationStatus" => number(called.service_status),
        "requestId" => None,
        _ => step(called, name),
    }
}

fn latency(step: &Step) -> Cow<'static, str> {
    let Step { latency, .. } = step;
    Duration::as_millis(latency).to_string().into()
}

fn number(status: Option<u16>) -> Option<Cow<'static, str>> {
    status.map(|status| status.to_string().into())
}
