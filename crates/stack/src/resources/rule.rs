use dunlin_events::limits;

use super::{arn_of, function_named, no_function, properties};
use crate::{
    Function, Permission, TopicRule,
    error::{Fault, Outcome},
    node::Node,
    scope::Scope,
    section::{At, Section},
    template::Resource,
};

/// Who calls a function for a rule (S9).
const PRINCIPAL: &str = "iot.amazonaws.com";

/// The SQL version of a rule that names none (S8).
const SQL_VERSION_DEFAULT: &str = "2015-10-08";

/// An `AWS::IoT::TopicRule`; none if it is disabled or does nothing here.
pub(super) fn plain(
    scope: &Scope<'_>,
    resource: &Resource,
    functions: &[Function],
) -> Outcome<Option<TopicRule>> {
    let section = properties(scope, resource);
    let id = &resource.logical_id;
    let name = super::reference(scope, resource)?;
    if let Some(At { line, .. }) = section.text("RuleName")?
        && (name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
    {
        return Err(section.wrong(
            line,
            "RuleName",
            &format!("is {name:?}; a name has letters, digits and _ only"),
        ));
    }
    let Some(payload) = section.section("TopicRulePayload")? else {
        return Err(section.missing("TopicRulePayload"));
    };
    section.finish(&["Tags"]);
    let sql = payload.required_text("Sql")?;
    let sql_version = payload.text("AwsIotSqlVersion")?;
    let disabled = payload.flag("RuleDisabled")?.unwrap_or(false);
    let Some(At { value: actions, line }) = payload.list("Actions")? else {
        return Err(payload.missing("Actions"));
    };
    payload.finish(&["Description"]);
    if actions.len() > limits::RULE_ACTIONS_MAX {
        let max = limits::RULE_ACTIONS_MAX;
        return Err(Fault::at(line, format!("{id} has {} actions; a rule has at most {max}", actions.len())));
    }
    let mut called = Vec::new();
    for action in actions {
        called.extend(lambda_action(scope, id, action, functions)?);
    }
    if disabled {
        scope.note(resource.line, "a topic rule is disabled", id);
        return Ok(None);
    }
    if called.is_empty() {
        return Ok(None);
    }
    Ok(Some(rule(scope, id, name, sql.value, sql_version, called, resource.line)))
}

/// The rules and permissions that SAM adds for the `IoTRule` events of a function.
pub(super) fn of_events(
    scope: &Scope<'_>,
    section: &Section<'_, '_>,
    function: &Function,
) -> Outcome<Vec<(TopicRule, Permission)>> {
    let Some(At { value: events, .. }) = section.value("Events")? else { return Ok(Vec::new()) };
    let mut rules = Vec::new();
    for event in events.entries() {
        let owner = format!("{}.{}", section.owner, event.key);
        let whole = Section::new(scope, &owner, "an event", event.line, event.value.clone());
        let kind = whole.required_text("Type")?;
        if kind.value != "IoTRule" {
            scope.note(kind.line, &format!("events of type {} do not occur here", kind.value), section.owner);
            continue;
        }
        let Some(own) = whole.section("Properties")? else { return Err(whole.missing("Properties")) };
        let sql = own.required_text("Sql")?;
        let sql_version = own.text("AwsIotSqlVersion")?;
        own.finish(&[]);
        let id = format!("{}{}", section.owner, event.key);
        let name = made_up(scope, &id);
        let rule = rule(scope, &id, name, sql.value, sql_version, vec![function.name.clone()], event.line);
        let permission = Permission {
            function: function.name.clone(),
            principal: PRINCIPAL.to_owned(),
            source_arn: Some(rule.arn.clone()),
        };
        rules.push((rule, permission));
    }
    Ok(rules)
}

/// The name of a rule that the template does not name; only letters, digits and `_` may occur.
pub(super) fn made_up(scope: &Scope<'_>, logical_id: &str) -> String {
    let name = super::made_up(scope, logical_id, super::NAME_CHARS_MAX);
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

fn rule(
    scope: &Scope<'_>,
    logical_id: &str,
    name: String,
    sql: String,
    sql_version: Option<At<String>>,
    functions: Vec<String>,
    line: usize,
) -> TopicRule {
    TopicRule {
        logical_id: logical_id.to_owned(),
        arn: arn_of(scope, "iot", &format!("rule/{name}")),
        name,
        sql,
        sql_version: sql_version.map_or_else(|| SQL_VERSION_DEFAULT.to_owned(), |version| version.value),
        functions,
        line,
    }
}

fn lambda_action(
    scope: &Scope<'_>,
    id: &str,
    action: Node,
    functions: &[Function],
) -> Outcome<Option<String>> {
    let line = action.line;
    let kind = match action.entries() {
        [entry] => entry.key.clone(),
        _ => {
            return Err(Fault::at(
                line,
                format!("an action of {id} must be a mapping with one key, such as Lambda"),
            ));
        }
    };
    if kind != "Lambda" {
        scope.note(line, &format!("{kind} actions of topic rules are not carried out here"), id);
        return Ok(None);
    }
    let action = Section::new(scope, id, "an action", line, action);
    let Some(lambda) = action.section("Lambda")? else { return Err(action.missing("Lambda")) };
    let At { value: named, line } = lambda.required_text("FunctionArn")?;
    match function_named(functions, &named) {
        Some(function) => Ok(Some(function.name.clone())),
        None => Err(no_function(line, id, &named)),
    }
}
