use super::Place;
use crate::{
    node::{Style, Text},
    source::Span,
};

/// One IoT topic rule. A disabled rule is left out of [`crate::Stack::rules`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicRule {
    /// Key in the template.
    pub logical_id: String,
    /// `RuleName`, else derived from stack name and logical id; letters, digits and `_`.
    pub name: String,
    /// ARN of the rule: the source that a permission on the function names (S9).
    pub arn: String,
    /// `Sql`.
    pub sql: Sql,
    /// `AwsIotSqlVersion`, `2015-10-08` if the template gives none (S8).
    pub sql_version: String,
    /// What happens to each match, in template order; those that cannot be carried out here are noted.
    pub actions: Vec<RuleAction>,
    /// What happens when an action fails (S10).
    pub error_action: Option<RuleAction>,
    /// Where the resource begins.
    pub at: Place,
}

/// A statement, not parsed, that knows where it stands: see [`crate::Stack::sql_problem`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sql {
    /// The statement.
    pub text: String,
    pub(crate) span: Span,
    pub(crate) style: Style,
}

impl Sql {
    pub(crate) fn written(&self) -> Text {
        Text { value: self.text.clone(), style: self.style }
    }
}

/// One action of a topic rule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleAction {
    /// `Lambda`: invokes a function, asynchronously (S6).
    Lambda {
        /// [`crate::Function::name`].
        function: String,
    },
    /// `Republish`: publishes to another topic.
    Republish {
        /// `Topic`, in which `${…}` stands for an expression over the message.
        topic: String,
        /// `Qos`: 0 or 1, by default 0.
        qos: u8,
        /// `Headers`, as MQTT 5 clients see them.
        headers: RepublishHeaders,
    },
    /// `CloudwatchLogs`: appends to a log group.
    CloudwatchLogs {
        /// `LogGroupName`.
        log_group: String,
        /// `BatchMode`: the payload is a list of log entries.
        batch: bool,
    },
    /// `Sqs`: sends to a queue.
    Sqs {
        /// `QueueUrl`.
        queue_url: String,
        /// `UseBase64`.
        base64: bool,
    },
}

/// Properties of a republished message, each a text in which `${…}` stands for an expression over the message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepublishHeaders {
    /// `PayloadFormatIndicator`.
    pub payload_format_indicator: Option<String>,
    /// `ContentType`.
    pub content_type: Option<String>,
    /// `ResponseTopic`.
    pub response_topic: Option<String>,
    /// `CorrelationData`, as Base64.
    pub correlation_data: Option<String>,
    /// `MessageExpiry`, in seconds.
    pub message_expiry: Option<String>,
    /// `UserProperties`: keys and values in order.
    pub user_properties: Vec<(String, String)>,
}
