//! The events that functions receive (section 4).

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use dunlin_events::{
    AuthorizerRequest, EventType, Identity, ListMap, RequestContext, Text, TextMap, WebSocketEvent,
    request_time,
};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    api::{Api, Stage},
    connection::Connection,
    content,
    head::Head,
    integration::{Compiled as Integration, Context, MappingInput, Prepared},
};

/// What [`EventSource::message_context`] may have.
pub(crate) const MESSAGE_CONTEXT: &[&str] = &[
    "apiId",
    "authorizer",
    "connectedAt",
    "connectionId",
    "domainName",
    "eventType",
    "extendedRequestId",
    "identity",
    "messageDirection",
    "messageId",
    "requestId",
    "requestTime",
    "requestTimeEpoch",
    "routeKey",
    "stage",
];

/// What every event of one connection says the same.
pub(crate) struct EventSource<'a> {
    pub(crate) api: &'a Api,
    pub(crate) connection: &'a Connection,
}

/// What one event says besides.
pub(crate) struct Occasion<'a> {
    pub(crate) route_key: &'a str,
    pub(crate) request_id: &'a str,
    /// Milliseconds since 1970.
    pub(crate) now_ms: u64,
}

/// What the transport tells about a handshake, which the service's edge would add as headers.
pub(crate) struct Forwarded<'a> {
    pub(crate) source_ip: &'a str,
    pub(crate) port: u16,
    pub(crate) is_tls: bool,
    pub(crate) trace: &'a str,
}

impl EventSource<'_> {
    /// What the integration of `$connect` is called with.
    pub(crate) fn prepare_connect(
        &self,
        integration: &Integration,
        occasion: &Occasion<'_>,
        head: &Head,
        forwarded: &Forwarded<'_>,
        authorizer: Option<&RawValue>,
    ) -> Prepared {
        if integration.wants_event() {
            return Prepared::Event(self.connect(occasion, head, forwarded, authorizer));
        }
        let pairs = |multi: &Multi<'_>| {
            let each = |(name, values): &(Cow<'_, str>, Vec<Cow<'_, str>>)| {
                let name = name.to_string();
                values.iter().map(move |value| (name.clone(), value.to_string())).collect::<Vec<_>>()
            };
            multi.iter().flat_map(each).collect()
        };
        let mut event = self.event(EventType::Connect, occasion);
        event.request_context.authorizer = authorizer;
        let headers = pairs(&all_headers(head, forwarded));
        self.mapped(&event, String::new(), pairs(&query_of(head)), headers)
    }

    /// What the integration of a message is called with; `context` gives what mappings see as that.
    pub(crate) fn prepare_message(
        &self,
        integration: &Integration,
        occasion: &Occasion<'_>,
        message_id: &str,
        body: &str,
        context: impl FnOnce() -> Context,
    ) -> Prepared {
        if integration.wants_event() {
            let is_binary = integration.takes_binary();
            if is_binary && let Err(problem) = content::check_base64(body) {
                return Prepared::NotBase64(problem);
            }
            return Prepared::Event(self.message(occasion, message_id, body, is_binary));
        }
        self.mapped_with(context(), body.to_owned(), Vec::new(), Vec::new())
    }

    /// What mappings see as the context of a message.
    pub(crate) fn message_context(&self, occasion: &Occasion<'_>, message_id: &str) -> serde_json::Value {
        let mut event = self.event(EventType::Message, occasion);
        event.request_context.message_id = Some(message_id.into());
        // As for events, there is nothing to fail at.
        serde_json::to_value(&event.request_context).unwrap_or_default()
    }

    /// What the integration of `$disconnect` is called with.
    pub(crate) fn prepare_disconnect(
        &self,
        integration: &Integration,
        occasion: &Occasion<'_>,
        code: u16,
        reason: &str,
    ) -> Prepared {
        if integration.wants_event() {
            return Prepared::Event(self.disconnect(occasion, code, reason));
        }
        let mut event = self.event(EventType::Disconnect, occasion);
        event.request_context.disconnect_status_code = Some(code);
        event.request_context.disconnect_reason = Some(reason.into());
        self.mapped(&event, String::new(), Vec::new(), Vec::new())
    }

    fn mapped(
        &self,
        event: &WebSocketEvent<'_>,
        body: String,
        query: Vec<(String, String)>,
        headers: Vec<(String, String)>,
    ) -> Prepared {
        // As for events, there is nothing to fail at.
        let context = serde_json::to_value(&event.request_context).unwrap_or_default();
        self.mapped_with(Context::made(context), body, query, headers)
    }

    fn mapped_with(
        &self,
        context: Context,
        body: String,
        query: Vec<(String, String)>,
        headers: Vec<(String, String)>,
    ) -> Prepared {
        let stage = Arc::clone(&self.connection.stage);
        Prepared::Mapped(Box::new(MappingInput { body, context, query, headers, stage }))
    }

    /// The CONNECT event of this handshake.
    fn connect(
        &self,
        occasion: &Occasion<'_>,
        head: &Head,
        forwarded: &Forwarded<'_>,
        authorizer: Option<&RawValue>,
    ) -> Bytes {
        let headers = visible_headers(head, forwarded);
        let query = Some(query_of(head)).filter(|query| !query.is_empty());
        let mut event = self.event(EventType::Connect, occasion);
        event.request_context.authorizer = authorizer;
        event.multi_value_headers = Some(lists(&headers));
        event.headers = Some(last_values(&headers));
        event.multi_value_query_string_parameters = query.as_ref().map(|query| lists(query));
        event.query_string_parameters = query.as_ref().map(|query| last_values(query));
        print(&event)
    }

    /// The handshake as an authorizer sees it.
    pub(crate) fn handshaken<'h>(&'h self, head: &'h Head, forwarded: &Forwarded<'h>) -> Handshaken<'h> {
        Handshaken { source: self, headers: all_headers(head, forwarded), query: query_of(head) }
    }

    /// The MESSAGE event of this text.
    fn message(&self, occasion: &Occasion<'_>, message_id: &str, body: &str, is_base64: bool) -> Bytes {
        let mut event = self.event(EventType::Message, occasion);
        event.request_context.message_id = Some(message_id.into());
        event.body = Some(body.into());
        event.is_base64_encoded = is_base64;
        print(&event)
    }

    /// The DISCONNECT event, with the few headers that the service invents for it.
    fn disconnect(&self, occasion: &Occasion<'_>, code: u16, reason: &str) -> Bytes {
        let headers = [
            ("Host", &*self.connection.domain_name),
            ("x-api-key", ""),
            ("X-Forwarded-For", ""),
            ("x-restapi", ""),
        ];
        let mut event = self.event(EventType::Disconnect, occasion);
        event.headers = Some(headers.into_iter().map(|(name, value)| (name, value.into())).collect());
        event.multi_value_headers =
            Some(headers.into_iter().map(|(name, value)| (name, vec![value.into()])).collect());
        event.request_context.disconnect_status_code = Some(code);
        event.request_context.disconnect_reason = Some(reason.into());
        print(&event)
    }

    fn event<'e>(&'e self, event_type: EventType, occasion: &Occasion<'e>) -> WebSocketEvent<'e> {
        let connection = self.connection;
        let request_id = Text::from(occasion.request_id);
        WebSocketEvent {
            headers: None,
            multi_value_headers: None,
            query_string_parameters: None,
            multi_value_query_string_parameters: None,
            stage_variables: stage_variables(&connection.stage),
            request_context: RequestContext {
                route_key: Some(occasion.route_key.into()),
                disconnect_status_code: None,
                authorizer: connection.authorizer.as_deref(),
                message_id: None,
                event_type: Some(event_type),
                extended_request_id: Some(request_id.clone()),
                request_time: Some(request_time(occasion.now_ms).into()),
                message_direction: Some("IN".into()),
                disconnect_reason: None,
                stage: Some((&*connection.stage.name).into()),
                connected_at: Some(connection.connected_at),
                request_time_epoch: Some(occasion.now_ms),
                identity: Some(Identity {
                    user_agent: connection.user_agent.as_deref().map(Text::from),
                    source_ip: Some(connection.source_ip.to_string().into()),
                    api_key: connection.api_key.as_ref().map(|key| key.value.as_str().into()),
                    api_key_id: connection.api_key.as_ref().map(|key| key.id.as_str().into()),
                }),
                request_id: Some(request_id),
                domain_name: Some((&*connection.domain_name).into()),
                connection_id: Some(connection.id().into()),
                api_id: Some((&*self.api.id).into()),
            },
            body: None,
            is_base64_encoded: false,
        }
    }
}

/// What a handshake says of itself.
pub(crate) struct Handshaken<'a> {
    source: &'a EventSource<'a>,
    headers: Multi<'a>,
    query: Multi<'a>,
}

impl Handshaken<'_> {
    /// The last value of a header, its name compared without case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.and_then(|(_, values)| values.last()).map(|value| &**value)
    }

    /// The last value of a query parameter.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.and_then(|(_, values)| values.last()).map(|value| &**value)
    }

    pub(crate) fn stage_variable(&self, name: &str) -> Option<&str> {
        let variables = &self.source.connection.stage.variables;
        variables.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The event of a REQUEST authorizer (A2).
    pub(crate) fn authorizer_event<'e>(
        &'e self,
        occasion: &Occasion<'e>,
        method_arn: &'e str,
    ) -> AuthorizerRequest<'e> {
        let event = self.source.event(EventType::Connect, occasion);
        AuthorizerRequest {
            kind: "REQUEST".into(),
            method_arn: method_arn.into(),
            headers: last_values(&self.headers),
            multi_value_headers: lists(&self.headers),
            query_string_parameters: last_values(&self.query),
            multi_value_query_string_parameters: lists(&self.query),
            stage_variables: event.stage_variables.unwrap_or_default(),
            request_context: event.request_context,
        }
    }
}

fn stage_variables(stage: &Stage) -> Option<TextMap<'_>> {
    let variables = stage.variables.iter().map(|(name, value)| (name.as_str(), value.as_str().into()));
    (!stage.variables.is_empty()).then(|| variables.collect())
}

pub(crate) fn print(event: &impl Serialize) -> Bytes {
    // Strings and numbers under string keys: the printer has nothing to fail at.
    serde_json::to_vec(event).unwrap_or_default().into()
}

/// Names in the order of their first appearance, each with all its values.
type Multi<'a> = Vec<(Cow<'a, str>, Vec<Cow<'a, str>>)>;

/// The connection's own headers, which functions do not see (H20).
const HIDDEN: [&str; 3] = ["connection", "upgrade", "content-length"];

/// The header set of H20: what the client sent without the connection's own headers, plus what the edge adds.
fn visible_headers<'a>(head: &'a Head, forwarded: &Forwarded<'a>) -> Multi<'a> {
    let mut headers = all_headers(head, forwarded);
    headers.retain(|(name, _)| !HIDDEN.iter().any(|hidden| name.eq_ignore_ascii_case(hidden)));
    headers
}

/// What the client sent, plus what the edge adds. Sorted, as in every dump of the service.
fn all_headers<'a>(head: &'a Head, forwarded: &Forwarded<'a>) -> Multi<'a> {
    let mut headers = Multi::new();
    for (name, value) in head.headers() {
        let replaced = ["x-forwarded-port", "x-forwarded-proto"];
        if !replaced.iter().any(|replaced| name.eq_ignore_ascii_case(replaced)) {
            append(&mut headers, name.into(), value, str::eq_ignore_ascii_case);
        }
    }
    let mut missing = |name: &'static str, value: Cow<'a, str>| {
        if !headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name)) {
            headers.push((name.into(), vec![value]));
        }
    };
    missing("content-length", "0".into());
    missing("X-Amzn-Trace-Id", forwarded.trace.into());
    missing("X-Forwarded-For", forwarded.source_ip.into());
    missing("X-Forwarded-Port", forwarded.port.to_string().into());
    missing("X-Forwarded-Proto", if forwarded.is_tls { "https" } else { "http" }.into());
    // A client that names a hop before it gets ours behind, as proxies do.
    for (name, values) in &mut headers {
        if name.eq_ignore_ascii_case("x-forwarded-for")
            && values.last().is_some_and(|last| last != forwarded.source_ip)
        {
            let hops = std::mem::take(values).join(", ");
            values.push(format!("{hops}, {}", forwarded.source_ip).into());
        }
    }
    headers.sort_by_cached_key(|(name, _)| name.to_ascii_lowercase());
    headers
}

fn query_of(head: &Head) -> Multi<'_> {
    head.target().split_once('?').map(|(_, query)| parse_query(query)).unwrap_or_default()
}

/// A query string, decoded. A plus sign is a space, as browsers write it.
fn parse_query(query: &str) -> Multi<'_> {
    let mut parameters = Multi::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        append(&mut parameters, decode(name), decode(value), str::eq);
    }
    parameters
}

fn decode(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned());
    }
    percent_decode_str(text).decode_utf8_lossy()
}

fn append<'a>(multi: &mut Multi<'a>, name: Cow<'a, str>, value: Cow<'a, str>, same: fn(&str, &str) -> bool) {
    match multi.iter_mut().find(|(key, _)| same(key, &name)) {
        Some((_, values)) => values.push(value),
        None => multi.push((name, vec![value])),
    }
}

/// The last value counts where there is room for one only (U14).
fn last_values<'a>(multi: &'a Multi<'_>) -> TextMap<'a> {
    let last = |values: &'a Vec<Cow<'_, str>>| values.last().map_or("", |value| &**value);
    multi.iter().map(|(name, values)| (&**name, last(values).into())).collect()
}

fn lists<'a>(multi: &'a Multi<'_>) -> ListMap<'a> {
    multi
        .iter()
        .map(|(name, values)| (&**name, values.iter().map(|value| Text::from(&**value)).collect()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_query(query: &str, expected: &[(&str, &[&str])]) {
        let parsed = parse_query(query);
        let parsed: Vec<(&str, Vec<&str>)> = (parsed.iter())
            .map(|(name, values)| (&**name, values.iter().map(|value| &**value).collect()))
            .collect();
        let expected: Vec<(&str, Vec<&str>)> =
            expected.iter().map(|(name, values)| (*name, values.to_vec())).collect();
        assert_eq!(parsed, expected, "{query}");
    }

    #[test]
    fn queries_are_decoded() {
        check_query("a=1&b=2&a=3", &[("a", &["1", "3"]), ("b", &["2"])]);
        check_query("t=a%2Bb%3D&n=J+%C3%A4", &[("t", &["a+b="]), ("n", &["J ä"])]);
        check_query("flag&=x&a=b=c&&", &[("flag", &[""]), ("", &["x"]), ("a", &["b=c"])]);
        check_query("a=%ff%zz", &[("a", &["\u{fffd}%zz"])]);
        check_query("A=1&a=2", &[("A", &["1"]), ("a", &["2"])]);
        check_query("", &[]);
    }
}
