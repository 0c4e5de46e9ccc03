use super::{
    EvaluateError, Message, Outgoing, SqlError, TopicFilter, Variables, Version,
    ast::{Expression, Item, Output},
    evaluate::Scope,
    meter::Meter,
    output,
    parser::{self, Parsed},
    payload::Payload,
};

/// One rule's statement.
///
/// ```
/// use dunlin_iot_rules::sql::{Message, Statement};
///
/// let statement = Statement::parse("SELECT v, topic(2) AS device FROM 'devices/+/parameters' WHERE v > 1")?;
/// let message = Message::new("devices/dev-1/parameters", br#"{"v":2,"w":3}"#);
/// let outgoing = statement.evaluate(&message)?.expect("v is more than 1");
/// assert_eq!(outgoing.payload, br#"{"v":2,"device":"dev-1"}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Statement {
    version: Version,
    parsed: Parsed,
    /// Whether anything looks inside the payload.
    reads_payload: bool,
}

impl Statement {
    /// Parses a statement of SQL version 2016-03-23.
    ///
    /// # Errors
    /// If it is not SQL of the service, or asks for what is not there locally.
    pub fn parse(sql: &str) -> Result<Self, SqlError> {
        Self::parse_version(sql, Version::V2016_03_23)
    }

    /// Parses a statement of any version. A rule that names no version has [`Version::V2015_10_08`] on the service (S8).
    ///
    /// # Errors
    /// If it is not SQL of the service, or not of this version, or asks for what is not there locally.
    pub fn parse_version(sql: &str, version: Version) -> Result<Self, SqlError> {
        let parsed = parser::statement(sql, version)?;
        let output_reads = match &parsed.select.output {
            Output::Row => false,
            Output::Value(value) => value.reads_payload(),
            Output::Items(items) => items.list.iter().any(|item| match item {
                Item::Spread(value) | Item::Named(_, value) => value.reads_payload(),
            }),
        };
        let reads_payload = output_reads
            || parsed.select.condition.iter().chain(&parsed.values).any(Expression::reads_payload);
        Ok(Self { version, parsed, reads_payload })
    }

    /// The topics that the rule is about; `None` for a rule without `FROM`, which only Basic Ingest reaches.
    #[must_use]
    pub fn filter(&self) -> Option<&TopicFilter> {
        self.parsed.select.from.as_ref()
    }

    /// Whether messages on `topic` are for this rule.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        self.filter().is_some_and(|filter| filter.matches(topic))
    }

    /// The version that it was parsed as.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// What `message` becomes, if `WHERE` is true of it. The topic filter is not looked at.
    ///
    /// # Errors
    /// If the payload is not what the statement needs, or the work is beyond a bound.
    pub fn evaluate(&self, message: &Message<'_>) -> Result<Option<Outgoing>, EvaluateError> {
        let Parsed { values, select, .. } = &self.parsed;
        let payload = if self.reads_payload { Payload::read(message.payload)? } else { Payload::Unread };
        let variables = Vec::with_capacity(values.len());
        let mut scope = Scope { message, version: self.version, payload, variables, meter: Meter::new() };
        for value in values {
            let value = scope.names().value(value)?.read();
            scope.variables.push(value);
        }
        let names = scope.names();
        if !names.holds(select.condition.as_ref())? {
            return Ok(None);
        }
        let (payload, is_json) = match &select.output {
            Output::Row => (message.payload.to_vec(), is_document(&scope)),
            Output::Value(value) => {
                let mut payload = Vec::new();
                names.value(value)?.write(&mut payload)?;
                let is_json = !payload.is_empty();
                (payload, is_json)
            }
            Output::Items(items) => (output::event(names, items)?, true),
        };
        let variable = |value: &super::value::Value<'_>| {
            let mut text = Vec::new();
            value.write(&mut text)?;
            Ok(String::from_utf8(text).ok().filter(|text| !text.is_empty()))
        };
        let variables = Variables(scope.variables.iter().map(variable).collect::<Result<_, _>>()?);
        Ok(Some(Outgoing { payload, is_json, variables }))
    }

    pub(super) fn variable_names(&self) -> &[String] {
        &self.parsed.names
    }
}

/// Whether the payload is a JSON object or array. A bare number is called "non-JSON" on the WHERE page.
fn is_document(scope: &Scope<'_>) -> bool {
    let text = match scope.payload.text() {
        Some(text) => Some(text),
        None => super::json::whole(scope.message.payload).ok(),
    };
    text.is_some_and(|text| text.starts_with(['{', '[']))
}
