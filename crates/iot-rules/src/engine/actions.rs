//! Performs the actions of a rule.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use mqtt5::QoS;

use super::{
    DELIVER_TIMEOUT, Intake, Outlet, Published, RuleError,
    failures::Failure,
    republish::{Headers, republish},
};
use crate::{
    rule::{Action, Republish, RuleSink, Target},
    sql::{Message, Outgoing, Statement, Template, Variables},
};

/// Log events of one batch: ours; with the size of a message it is more than fits.
const BATCH_EVENTS_MAX: usize = 10_000;

/// What actions act upon.
pub(super) struct Surroundings<'a> {
    /// The rule's name.
    pub(super) rule: &'a str,
    pub(super) sink: &'a dyn RuleSink,
    pub(super) outlet: &'a dyn Outlet,
    pub(super) intake: &'a Intake,
    pub(super) published: &'a Published,
}

/// What a rule made of a message, or an error action is told.
pub(super) struct Event<'a> {
    pub(super) payload: Bytes,
    pub(super) is_json: bool,
    pub(super) variables: Variables,
    /// What templates see.
    pub(super) message: Message<'a>,
}

impl<'a> Event<'a> {
    pub(super) fn new(outgoing: Outgoing, message: Message<'a>) -> Self {
        let Outgoing { payload, is_json, variables } = outgoing;
        Self { payload: payload.into(), is_json, variables, message }
    }

    pub(super) fn fill(&self, template: &Template) -> Result<String, String> {
        template.render(&self.message, &self.variables).map_err(|error| error.to_string())
    }
}

/// An action, its templates parsed.
pub(super) enum Compiled {
    Lambda { function: String },
    Republish { topic: Template, qos: QoS, headers: Headers },
    CloudwatchLogs { log_group: Template, batch: bool },
    Sqs { queue_url: String, base64: bool },
}

impl Compiled {
    /// Templates may refer to what `statement` sets.
    pub(super) fn new(action: &Action, statement: &Statement) -> Result<Self, RuleError> {
        let template = |action, field, text| template(action, field, text, statement);
        Ok(match action {
            Action::Lambda { function } => Self::Lambda { function: function.clone() },
            Action::Republish(Republish { topic, at_least_once, headers }) => Self::Republish {
                topic: template("Republish", "Topic", topic)?,
                qos: if *at_least_once { QoS::AtLeastOnce } else { QoS::AtMostOnce },
                headers: Headers::new(headers, statement)?,
            },
            Action::CloudwatchLogs { log_group, batch } => Self::CloudwatchLogs {
                log_group: template("CloudwatchLogs", "LogGroupName", log_group)?,
                batch: *batch,
            },
            Action::Sqs { queue_url, base64 } => Self::Sqs { queue_url: queue_url.clone(), base64: *base64 },
        })
    }

    /// Does it.
    pub(super) async fn perform(
        &self,
        event: &Event<'_>,
        surroundings: &Surroundings<'_>,
    ) -> Result<(), Failure> {
        match self {
            Self::Lambda { function } => {
                let outcome = invoke(function, event, surroundings).await;
                outcome.map_err(|problem| failure("LambdaAction", function, problem))
            }
            Self::Republish { topic, qos, headers } => {
                let topic = event.fill(topic).map_err(|problem| failure("RepublishAction", "", problem))?;
                // A reserved topic is written with a second $, since ${ would start an expression.
                let topic = topic.strip_prefix('$').filter(|rest| rest.starts_with('$')).unwrap_or(&topic);
                let outcome = republish(topic, *qos, headers, event, surroundings).await;
                outcome.map_err(|problem| failure("RepublishAction", topic, problem))
            }
            Self::CloudwatchLogs { log_group, batch } => {
                let log_group =
                    event.fill(log_group).map_err(|problem| failure("CloudwatchLogsAction", "", problem))?;
                let outcome = log(&log_group, *batch, event, surroundings).await;
                outcome.map_err(|problem| failure("CloudwatchLogsAction", &log_group, problem))
            }
            Self::Sqs { queue_url, base64 } => {
                let body =
                    if *base64 { STANDARD.encode(&event.payload).into() } else { event.payload.clone() };
                let outcome = deliver(surroundings, Target::Queue(queue_url), body).await;
                outcome.map_err(|problem| failure("SqsAction", queue_url, problem))
            }
        }
    }
}

pub(super) fn template(
    action: &'static str,
    field: &str,
    text: &str,
    statement: &Statement,
) -> Result<Template, RuleError> {
    Template::parse(text, statement).map_err(|source| RuleError::Template {
        action,
        field: field.to_owned(),
        source,
    })
}

fn failure(failed_action: &'static str, resource: &str, problem: String) -> Failure {
    Failure { failed_action, failed_resource: resource.to_owned(), error_message: problem }
}

async fn invoke(function: &str, event: &Event<'_>, surroundings: &Surroundings<'_>) -> Result<(), String> {
    if !event.is_json {
        return Err(
            "the event is not JSON, which a function needs; select encode(*, 'base64') AS data".to_owned()
        );
    }
    deliver(surroundings, Target::Function(function), event.payload.clone()).await
}

async fn deliver(surroundings: &Surroundings<'_>, target: Target<'_>, event: Bytes) -> Result<(), String> {
    match tokio::time::timeout(DELIVER_TIMEOUT, surroundings.sink.deliver(surroundings.rule, target, event))
        .await
    {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(_) => Err(format!("not accepted within {} s", DELIVER_TIMEOUT.as_secs())),
    }
}

/// One log event, or one for each of a batch.
async fn log(
    log_group: &str,
    batch: bool,
    event: &Event<'_>,
    surroundings: &Surroundings<'_>,
) -> Result<(), String> {
    if !batch {
        return deliver(surroundings, Target::LogGroup(log_group), event.payload.clone()).await;
    }
    /// The timestamp orders events of one batch, which come in order here.
    #[derive(serde::Deserialize)]
    struct LogEvent {
        #[serde(rename = "timestamp")]
        _timestamp: serde_json::Number,
        message: String,
    }
    let events: Vec<LogEvent> = serde_json::from_slice(&event.payload)
        .map_err(|error| format!("the event is not an array of timestamp and message: {error}"))?;
    if events.len() > BATCH_EVENTS_MAX {
        return Err(format!(
            "the batch has {} log events; at most {BATCH_EVENTS_MAX} are possible",
            events.len()
        ));
    }
    for event in events {
        deliver(surroundings, Target::LogGroup(log_group), event.message.into()).await?;
    }
    Ok(())
}
