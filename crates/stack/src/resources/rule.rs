use dunlin_events::limits;

use super::{Context, Type, arn_of, no_function, owned};
use crate::{
    RepublishHeaders, RuleAction, Sql, TopicRule,
    error::{Fault, Outcome},
    node::Node,
    resolve::Resource,
    section::{At, Section},
};

/// The SQL version of a rule that names none (S8).
const SQL_VERSION_DEFAULT: &str = "2015-10-08";

/// The versions that there are (S8).
const SQL_VERSIONS: [&str; 3] = ["2016-03-23", SQL_VERSION_DEFAULT, "beta"];

/// An `AWS::IoT::TopicRule`; none if it is disabled or does nothing here.
pub(super) fn read(context: &Context<'_>, resource: &Resource) -> Outcome<Option<TopicRule>> {
    let section = context.section(resource);
    let Resource { logical_id: id, name, .. } = resource;
    if let Some(At { at, .. }) = section.text("RuleName")?
        && (name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
    {
        let what = format!("is {name:?}; a name has letters, digits and _ only");
        return Err(section.wrong(at, "RuleName", &what));
    }
    context.check_name(&[Type::TopicRule], resource)?;
    let Some(payload) = section.section("TopicRulePayload")? else {
        return Err(section.missing("TopicRulePayload"));
    };
    section.finish(&["Tags"]);
    let Some(sql) = payload.written("Sql")? else { return Err(payload.missing("Sql")) };
    let sql_version = payload.text("AwsIotSqlVersion")?;
    if let Some(At { value, at }) = sql_version
        && !SQL_VERSIONS.contains(&value)
    {
        let what = format!("is {value}; it must be one of {}", SQL_VERSIONS.join(", "));
        return Err(payload.wrong(at, "AwsIotSqlVersion", &what));
    }
    let disabled = payload.flag("RuleDisabled")?.unwrap_or(false);
    let Some(At { value: items, at }) = payload.list("Actions")? else {
        return Err(payload.missing("Actions"));
    };
    if items.len() > limits::RULE_ACTIONS_MAX {
        let max = limits::RULE_ACTIONS_MAX;
        return Err(Fault::at(at, format!("{id} has {} actions; a rule has at most {max}", items.len())));
    }
    let mut actions = Vec::new();
    for item in items {
        actions.extend(action(context, id, item)?);
    }
    let error_action = match payload.value("ErrorAction")? {
        None => None,
        Some(At { value, .. }) => action(context, id, value)?,
    };
    payload.finish(&["Description"]);
    if disabled {
        context.note(resource.at, "a topic rule is disabled", id);
        return Ok(None);
    }
    if actions.is_empty() {
        return Ok(None);
    }
    Ok(Some(TopicRule {
        logical_id: id.clone(),
        arn: arn_of(context.settings, "iot", &format!("rule/{name}")),
        name: name.clone(),
        sql: Sql { text: sql.value.value.clone(), span: sql.at, style: sql.value.style },
        sql_version: sql_version.map_or(SQL_VERSION_DEFAULT, |version| version.value).to_owned(),
        actions,
        error_action,
        at: context.place(resource.at),
    }))
}

fn action(context: &Context<'_>, id: &str, node: &Node) -> Outcome<Option<RuleAction>> {
    let kind = match node.entries() {
        [entry] => entry.key.as_str(),
        _ => {
            let message = format!("an action of {id} must be a mapping with one key, such as Lambda");
            return Err(Fault::at(node.at, message));
        }
    };
    let action = Section::new(context.findings, id, "an action", node.at, node);
    let own = |key| action.section(key).and_then(|own| own.ok_or_else(|| action.missing(key)));
    Ok(Some(match kind {
        "Lambda" => {
            let own = own("Lambda")?;
            let At { value: named, at } = own.required_text("FunctionArn")?;
            own.finish(&[]);
            let function = context.function_named(named).ok_or_else(|| no_function(at, id, named))?;
            RuleAction::Lambda { function: function.to_owned() }
        }
        "Republish" => {
            let own = own("Republish")?;
            let topic = own.required_text("Topic")?.value.to_owned();
            let qos = own.number("Qos", 0..=1)?.unwrap_or(0);
            let headers = own.section("Headers")?.map(headers).transpose()?.unwrap_or_default();
            own.finish(&["RoleArn"]);
            RuleAction::Republish { topic, qos: u8::from(qos == 1), headers }
        }
        "CloudwatchLogs" => {
            let own = own("CloudwatchLogs")?;
            let log_group = own.required_text("LogGroupName")?.value.to_owned();
            let batch = own.flag("BatchMode")?.unwrap_or(false);
            own.finish(&["RoleArn"]);
            RuleAction::CloudwatchLogs { log_group, batch }
        }
        "Sqs" => {
            let own = own("Sqs")?;
            let At { value: url, at } = own.required_text("QueueUrl")?;
            if !url.contains("://") {
                let what = format!("is {url}; it must be a queue's URL, which Ref gives");
                return Err(own.wrong(at, "QueueUrl", &what));
            }
            let base64 = own.flag("UseBase64")?.unwrap_or(false);
            own.finish(&["RoleArn"]);
            RuleAction::Sqs { queue_url: url.to_owned(), base64 }
        }
        other => {
            let text = format!("{other} actions of topic rules are not carried out here");
            context.note(node.at, &text, id);
            return Ok(None);
        }
    }))
}

fn headers(section: Section<'_>) -> Outcome<RepublishHeaders> {
    let mut user_properties = Vec::new();
    for item in section.list("UserProperties")?.map_or(&[][..], |list| list.value) {
        let pair = |key| item.get(key).and_then(|entry| entry.value.as_text()).map(str::to_owned);
        let (Some(key), Some(value)) = (pair("Key"), pair("Value")) else {
            let what = "must be a list of mappings with Key and Value";
            return Err(section.wrong(item.at, "UserProperties", what));
        };
        user_properties.push((key, value));
    }
    let headers = RepublishHeaders {
        payload_format_indicator: owned(section.text("PayloadFormatIndicator")?),
        content_type: owned(section.text("ContentType")?),
        response_topic: owned(section.text("ResponseTopic")?),
        correlation_data: owned(section.text("CorrelationData")?),
        message_expiry: owned(section.text("MessageExpiry")?),
        user_properties,
    };
    section.finish(&[]);
    Ok(headers)
}
