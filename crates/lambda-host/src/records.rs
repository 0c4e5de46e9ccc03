use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use dunlin_events::limits::DEAD_LETTER_ERROR_BYTES_MAX;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{InvokeOutcome, function::Event, platform_log::log_time};

/// Takes the records of asynchronous invocations whose destination is not a function of the host: queues, topics, event
/// buses. It is called once for each and must not block; whoever sends them on does that elsewhere.
pub type RecordSink = Arc<dyn Fn(EventRecord) + Send + Sync>;

/// What an asynchronous invocation leaves behind for somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventRecord {
    /// The ARN that the function's configuration names.
    pub target_arn: String,
    /// What it is.
    pub kind: RecordKind,
    /// A destination's invocation record as JSON, or the event itself for a dead-letter target.
    pub payload: Bytes,
    /// Message attributes of a dead-letter target: `RequestID`, `ErrorCode` and `ErrorMessage`. Empty otherwise.
    pub attributes: Vec<(&'static str, String)>,
}

/// Why there is a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordKind {
    /// The function succeeded and has a destination for that.
    OnSuccess,
    /// The event was given up and the function has a destination for that.
    OnFailure,
    /// The event was given up and the function has a dead-letter target.
    DeadLetter,
}

/// How an asynchronous invocation ended, in the service's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Success,
    RetriesExhausted,
    EventAgeExceeded,
    ZeroReservedConcurrency,
}

impl Condition {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::RetriesExhausted => "RetriesExhausted",
            Self::EventAgeExceeded => "EventAgeExceeded",
            Self::ZeroReservedConcurrency => "ZeroReservedConcurrency",
        }
    }
}

/// What there is to tell of an asynchronous invocation.
pub(crate) struct Invoked<'a> {
    pub(crate) function_arn: &'a str,
    pub(crate) event: &'a Event,
    pub(crate) condition: Condition,
    /// Times that the function ran.
    pub(crate) runs: u32,
    /// How it ran the last time.
    pub(crate) last: Option<&'a InvokeOutcome>,
}

impl EventRecord {
    pub(crate) fn new(target: &str, kind: RecordKind, invoked: &Invoked<'_>, now: SystemTime) -> Self {
        let (payload, attributes) = match kind {
            RecordKind::DeadLetter => (invoked.event.payload.clone(), invoked.attributes()),
            _ => (invoked.record(now), Vec::new()),
        };
        Self { target_arn: target.to_owned(), kind, payload, attributes }
    }
}

impl Invoked<'_> {
    /// The invocation record, version 1.0 (N9).
    fn record(&self, now: SystemTime) -> Bytes {
        let payload = json(&self.event.payload);
        let answer = self.last.map(|outcome| json(&outcome.payload));
        let record = Record {
            version: "1.0",
            timestamp: log_time(now),
            request_context: RequestContext {
                request_id: self.event.request_id.as_str(),
                function_arn: format!("{}:$LATEST", self.function_arn),
                condition: self.condition.as_str(),
                approximate_invoke_count: self.runs,
            },
            request_payload: &payload,
            response_context: self.last.map(|outcome| ResponseContext {
                status_code: 200,
                executed_version: outcome.executed_version,
                function_error: outcome.function_error.map(|kind| kind.header_value()),
            }),
            response_payload: answer.as_deref(),
        };
        serde_json::to_vec(&record).expect("texts, numbers and JSON are always JSON").into()
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct ErrorObject {
            error_message: String,
        }
        // A function that failed was invoked with success, as far as the service is concerned (N2).
        let (code, message) = match self.last {
            Some(outcome) => {
                let error = serde_json::from_slice::<ErrorObject>(&outcome.payload);
                ("200", error.map(|error| error.error_message).unwrap_or_default())
            }
            None => ("429", "Rate Exceeded.".to_owned()),
        };
        let end = message.floor_char_boundary(DEAD_LETTER_ERROR_BYTES_MAX);
        vec![
            ("RequestID", self.event.request_id.as_str().to_owned()),
            ("ErrorCode", code.to_owned()),
            ("ErrorMessage", message[..end].to_owned()),
        ]
    }
}

/// As it is, or as a text if it is no JSON: functions may answer anything.
fn json(bytes: &Bytes) -> Box<RawValue> {
    serde_json::from_slice(bytes).unwrap_or_else(|_| {
        serde_json::value::to_raw_value(&String::from_utf8_lossy(bytes)).expect("a text is always JSON")
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    version: &'a str,
    timestamp: String,
    request_context: RequestContext<'a>,
    request_payload: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<ResponseContext<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_payload: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    request_id: &'a str,
    function_arn: String,
    condition: &'a str,
    approximate_invoke_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext<'a> {
    status_code: u16,
    executed_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_error: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{FunctionErrorKind, RequestId};

    fn event() -> Event {
        let zeros: crate::RandomBytes = Arc::new(|_| {});
        Event {
            request_id: RequestId::random(&zeros),
            payload: Bytes::from_static(br#"{"n":1}"#),
            client_context: None,
            trace_id: None,
            log_tail: false,
            crash: false,
        }
    }

    fn record(condition: Condition, last: Option<&InvokeOutcome>, kind: RecordKind) -> EventRecord {
        let event = event();
        let invoked = Invoked { function_arn: "arn:f", event: &event, condition, runs: 3, last };
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_721_807_234_120);
        EventRecord::new("arn:target", kind, &invoked, now)
    }

    #[test]
    fn a_failure_is_told_in_the_services_form() {
        let mut outcome = InvokeOutcome::accepted(event().request_id);
        outcome.payload = Bytes::from_static(br#"{"errorType":"Probe","errorMessage":"as asked"}"#);
        outcome.function_error = Some(FunctionErrorKind::Reported);
        let destination = record(Condition::RetriesExhausted, Some(&outcome), RecordKind::OnFailure);
        assert_eq!(
            std::str::from_utf8(&destination.payload).unwrap(),
            "{\"version\":\"1.0\",\"timestamp\":\"2024-07-24T07:47:14.120Z\",\"requestContext\":\
             {\"requestId\":\"00000000-0000-4000-8000-000000000000\",\"functionArn\":\"arn:f:$LATEST\",\
             \"condition\":\"RetriesExhausted\",\"approximateInvokeCount\":3},\"requestPayload\":{\"n\":1},\
             \"responseContext\":{\"statusCode\":200,\"executedVersion\":\"$LATEST\",\"functionError\":\"Unhandled\"},\
             \"responsePayload\":{\"errorType\":\"Probe\",\"errorMessage\":\"as asked\"}}"
        );
        let letter = record(Condition::RetriesExhausted, Some(&outcome), RecordKind::DeadLetter);
        assert_eq!(letter.payload, r#"{"n":1}"#);
        let id = "00000000-0000-4000-8000-000000000000".to_owned();
        assert_eq!(
            letter.attributes,
            [("RequestID", id), ("ErrorCode", "200".to_owned()), ("ErrorMessage", "as asked".to_owned())]
        );
    }

    #[test]
    fn what_never_ran_has_no_response_and_what_is_no_json_is_a_text() {
        let never = record(Condition::EventAgeExceeded, None, RecordKind::OnFailure);
        let never: serde_json::Value = serde_json::from_slice(&never.payload).unwrap();
        assert_eq!(never.get("responseContext"), None);
        assert_eq!(never["requestContext"]["condition"], "EventAgeExceeded");
        let mut outcome = InvokeOutcome::accepted(event().request_id);
        outcome.payload = Bytes::from_static(b"}{");
        let garbage = record(Condition::Success, Some(&outcome), RecordKind::OnSuccess);
        let garbage: serde_json::Value = serde_json::from_slice(&garbage.payload).unwrap();
        assert_eq!(garbage["responsePayload"], "}{");
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let mut outcome = InvokeOutcome::accepted(event().request_id);
        outcome.payload = format!(r#"{{"errorMessage":"x{}"}}"#, "é".repeat(600)).into();
        let letter = record(Condition::RetriesExhausted, Some(&outcome), RecordKind::DeadLetter);
        assert_eq!(letter.attributes[2].1.len(), DEAD_LETTER_ERROR_BYTES_MAX - 1);
    }
}
