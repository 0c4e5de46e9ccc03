//! What SAM adds to an `AWS::Serverless::Function`: rules and permissions for its events, the configuration of its
//! asynchronous invocations with queues and topics of its own, its role, its alias.

use super::{call, entry, get_att, made, reference, sub, text};
use crate::{
    error::{Fault, Outcome},
    findings::Findings,
    intrinsics,
    node::{Entry, Kind, Node},
    template::Declared,
};

pub(super) fn expand(mut function: Declared, findings: &Findings, resources: &mut Vec<Declared>) {
    let Declared { logical_id: id, at, .. } = &function;
    let (id, at) = (id.clone(), *at);
    let mut added = Vec::new();
    if let Some(events) = take(&mut function, "Events") {
        added.extend(findings.keep(self::events(&function, &events, findings)).unwrap_or_default());
    }
    if let Some(config) = take(&mut function, "EventInvokeConfig") {
        added.extend(findings.keep(invoke_config(&function, &config)).unwrap_or_default());
    }
    if function.properties.get("Role").is_none() {
        added.push(made(&function, format!("{id}Role"), at, "AWS::IAM::Role", Vec::new()));
    }
    if let Some(Entry { value, .. }) = function.properties.get("AutoPublishAlias")
        && let Some(alias) = value.as_text()
    {
        let name = call(
            at,
            "Fn::Join",
            Node::seq(at, vec![text(at, ":"), Node::seq(at, vec![reference(at, &id), text(at, alias)])]),
        );
        let own = vec![entry(at, "Name", name)];
        added.push(made(&function, format!("{id}Alias{alias}"), at, "AWS::Lambda::Alias", own));
    }
    resources.push(function);
    resources.extend(added);
}

fn take(function: &mut Declared, key: &str) -> Option<Entry> {
    let Kind::Map(entries) = &mut function.properties.kind else { return None };
    let index = entries.iter().position(|entry| entry.key == key)?;
    Some(entries.remove(index))
}

/// A rule and a permission for each `IoTRule`; other events do not occur here.
fn events(function: &Declared, events: &Entry, findings: &Findings) -> Outcome<Vec<Declared>> {
    let id = &function.logical_id;
    if !matches!(events.value.kind, Kind::Map(_)) || intrinsics::of(&events.value).is_some() {
        let message = format!("Events of {id} must be a mapping of events, written out");
        return Err(Fault::at(events.value.at, message));
    }
    let mut resources = Vec::new();
    for Entry { key, at, value } in events.value.entries() {
        let at = *at;
        let Some(kind) = value.get("Type") else {
            return Err(Fault::at(at, format!("event {key} of {id} has no Type; it needs one")));
        };
        if kind.value.as_text() != Some("IoTRule") {
            let kind = kind.value.as_text().unwrap_or("unknown");
            findings.note(at, &format!("events of type {kind} do not occur here"), id);
            continue;
        }
        let Some(Entry { value: own, .. }) = value.get("Properties") else {
            return Err(Fault::at(at, format!("event {key} of {id} has no Properties; it needs Sql there")));
        };
        let Some(sql) = own.get("Sql") else {
            return Err(Fault::at(at, format!("event {key} of {id} has no Sql; an IoTRule needs one")));
        };
        let other = own.entries().iter().find(|e| !matches!(e.key.as_str(), "Sql" | "AwsIotSqlVersion"));
        if let Some(other) = other {
            return Err(Fault::at(
                other.at,
                format!("an event of type IoTRule has no property {}", other.key),
            ));
        }
        let lambda = Node::map(at, vec![entry(at, "FunctionArn", get_att(at, id, "Arn"))]);
        let action = Node::map(at, vec![entry(at, "Lambda", lambda)]);
        let mut payload = vec![sql.clone(), entry(at, "Actions", Node::seq(at, vec![action]))];
        payload.extend(own.get("AwsIotSqlVersion").cloned());
        let rule_id = format!("{id}{key}");
        let arn = sub(
            at,
            "arn:${AWS::Partition}:iot:${AWS::Region}:${AWS::AccountId}:rule/${RuleName}",
            vec![entry(at, "RuleName", reference(at, &rule_id))],
        );
        let permission = vec![
            entry(at, "Action", text(at, "lambda:InvokeFunction")),
            entry(at, "FunctionName", reference(at, id)),
            entry(at, "Principal", text(at, "iot.amazonaws.com")),
            entry(at, "SourceArn", arn),
        ];
        let rule = vec![entry(at, "TopicRulePayload", Node::map(at, payload))];
        resources.push(made(function, rule_id.clone(), at, "AWS::IoT::TopicRule", rule));
        resources.push(made(
            function,
            format!("{rule_id}Permission"),
            at,
            "AWS::Lambda::Permission",
            permission,
        ));
    }
    Ok(resources)
}

/// An `AWS::Lambda::EventInvokeConfig`. A destination of type SQS or SNS without an ARN gets a queue or topic of its own.
fn invoke_config(function: &Declared, config: &Entry) -> Outcome<Vec<Declared>> {
    let id = &function.logical_id;
    if !matches!(config.value.kind, Kind::Map(_)) || intrinsics::of(&config.value).is_some() {
        let message = format!("EventInvokeConfig of {id} must be a mapping, written out");
        return Err(Fault::at(config.value.at, message));
    }
    let at = config.at;
    let config_id = format!("{id}EventInvokeConfig");
    let mut resources = Vec::new();
    let mut own =
        vec![entry(at, "FunctionName", reference(at, id)), entry(at, "Qualifier", text(at, "$LATEST"))];
    for property in config.value.entries() {
        if property.key != "DestinationConfig" {
            own.push(property.clone());
            continue;
        }
        let mut destinations = Vec::new();
        for destination in property.value.entries() {
            let mut destination = destination.clone();
            if destination.value.get("Destination").is_none()
                && let Some((kind, attribute)) = self_made(&destination.value)
            {
                let end = if attribute == "Arn" { "Queue" } else { "Topic" };
                let made_id = format!("{config_id}{}{end}", destination.key);
                let at = destination.at;
                if let Kind::Map(entries) = &mut destination.value.kind {
                    entries.push(entry(at, "Destination", get_att(at, &made_id, attribute)));
                }
                resources.push(made(function, made_id, at, kind, Vec::new()));
            }
            destinations.push(destination);
        }
        own.push(entry(property.at, &property.key, Node::map(property.value.at, destinations)));
    }
    resources.push(made(function, config_id, at, "AWS::Lambda::EventInvokeConfig", own));
    Ok(resources)
}

/// What SAM makes for a destination that names only its type, and the attribute that holds the ARN.
fn self_made(destination: &Node) -> Option<(&'static str, &'static str)> {
    match destination.get("Type")?.value.as_text()? {
        "SQS" => Some(("AWS::SQS::Queue", "Arn")),
        "SNS" => Some(("AWS::SNS::Topic", "TopicArn")),
        _ => None,
    }
}
