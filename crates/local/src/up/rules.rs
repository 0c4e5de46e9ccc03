//! The stack's topic rules on a broker, and where their events go.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use dunlin_iot_rules::{
    Action, BoxFuture, Config, DeliverError, Headers, IotRules, Republish, Rule, RuleError, RuleSink,
    StartError, Target,
};
use dunlin_lambda_host::{InvocationType, LambdaHost};
use dunlin_stack::{RepublishHeaders, RuleAction, Stack, TopicRule};

use super::{
    listen::in_use,
    queues::{Letter, Queues},
};
use crate::failure::Failure;

/// Who a rule is in a function's resource policy (S9).
const RULES_PRINCIPAL: &str = "iot.amazonaws.com";

/// The `tracing` target of what rules write to log groups.
pub(crate) const LOG_GROUP_TARGET: &str = "dunlin::log_group";

/// Starts the broker with every rule of the stack.
pub(super) async fn start(
    stack: &Stack,
    host: Arc<LambdaHost>,
    queues: Arc<Queues>,
    address: IpAddr,
    port: u16,
) -> Result<IotRules, Failure> {
    let mut addresses = vec![SocketAddr::new(address, port)];
    if address == Ipv4Addr::LOCALHOST && has_ipv6() {
        addresses.push(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port));
    }
    let rules = stack.rules.iter().map(rule_of).collect();
    let config = Config { addresses, rules, account_id: stack.account_id.clone(), ..Config::default() };
    let sink = Arc::new(Sink { host, queues, forbidden: forbidden(stack) });
    IotRules::start(config, sink).await.map_err(|error| match error {
        StartError::AddressInUse { address } => in_use(address.ip(), address.port(), "--mqtt-port"),
        StartError::Rule { rule, source } => Failure::data(rule_problem(stack, &rule, &source)),
        other => Failure::unavailable(format!("{other}; choose another port with --mqtt-port")),
    })
}

/// A rule that cannot run, with its place in the template.
fn rule_problem(stack: &Stack, name: &str, error: &RuleError) -> String {
    let Some(rule) = stack.rules.iter().find(|rule| rule.name == name) else {
        return format!("{}: rule {name}: {error}", stack.template.display());
    };
    let id = &rule.logical_id;
    match error {
        RuleError::Sql(sql) => {
            let message = format!("Sql of {id}: {}", sql.message());
            stack.sql_problem(&rule.sql, sql.span(), &message).to_string()
        }
        _ => stack.problem(&rule.at, &format!("{id}: {error}")).to_string(),
    }
}

fn rule_of(rule: &TopicRule) -> Rule {
    Rule {
        name: rule.name.clone(),
        sql: rule.sql.text.clone(),
        // The reader of the template has checked it.
        version: rule.sql_version.parse().unwrap_or_default(),
        actions: rule.actions.iter().filter_map(action_of).collect(),
        error_action: rule.error_action.as_ref().and_then(action_of),
    }
}

/// The action as the rules take it.
fn action_of(action: &RuleAction) -> Option<Action> {
    Some(match action.clone() {
        RuleAction::Lambda { function } => Action::Lambda { function },
        RuleAction::Republish { topic, qos, headers } => {
            let RepublishHeaders {
                payload_format_indicator,
                content_type,
                response_topic,
                correlation_data,
                message_expiry,
                user_properties,
            } = headers;
            let headers = Headers {
                payload_format_indicator,
                content_type,
                response_topic,
                correlation_data,
                message_expiry,
                user_properties,
            };
            Action::Republish(Republish { topic, at_least_once: qos == 1, headers })
        }
        RuleAction::CloudwatchLogs { log_group, batch } => Action::CloudwatchLogs { log_group, batch },
        RuleAction::Sqs { queue_url, base64 } => Action::Sqs { queue_url, base64 },
        // The template's reader says what it knows, and notes the rest.
        _ => return None,
    })
}

fn has_ipv6() -> bool {
    std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// Rules and functions that no permission joins, each said once: such an action fails, and the error action is told.
fn forbidden(stack: &Stack) -> Vec<(String, String)> {
    let named = |rule: &TopicRule| {
        let actions = rule.actions.iter().chain(&rule.error_action).cloned();
        let function = |action| match action {
            RuleAction::Lambda { function } => Some(function),
            _ => None,
        };
        actions.filter_map(function).collect::<BTreeSet<String>>()
    };
    let mut forbidden = Vec::new();
    for rule in &stack.rules {
        for function in named(rule) {
            if !stack.may_invoke(RULES_PRINCIPAL, &rule.arn, &function) {
                tracing::warn!(
                    "rule {} cannot call {function}: {RULES_PRINCIPAL} may not invoke it from {}; add an AWS::Lambda::Permission",
                    rule.name,
                    rule.arn
                );
                forbidden.push((rule.name.clone(), function));
            }
        }
    }
    forbidden
}

/// Where events go: functions asynchronously (S6), log groups to this process's log, queues to their files.
struct Sink {
    host: Arc<LambdaHost>,
    queues: Arc<Queues>,
    /// Rules, and functions that they name and may not invoke (S9).
    forbidden: Vec<(String, String)>,
}

impl Sink {
    fn is_forbidden(&self, rule: &str, function: &str) -> bool {
        self.forbidden.iter().any(|(own, named)| own == rule && named == function)
    }
}

impl RuleSink for Sink {
    fn deliver<'a>(
        &'a self,
        rule: &'a str,
        target: Target<'a>,
        event: Bytes,
    ) -> BoxFuture<'a, Result<(), DeliverError>> {
        Box::pin(async move {
            match target {
                Target::Function(function) if self.is_forbidden(rule, function) => {
                    Err(DeliverError(format!(
                        "{RULES_PRINCIPAL} may not invoke {function} from this rule; add an AWS::Lambda::Permission"
                    )))
                }
                Target::Function(function) => {
                    let accepted = self.host.invoke(function, event, InvocationType::Event).await;
                    accepted.map(drop).map_err(|error| DeliverError(error.to_string()))
                }
                Target::LogGroup(group) => {
                    let text = String::from_utf8_lossy(&event);
                    tracing::info!(target: LOG_GROUP_TARGET, group, "{text}");
                    Ok(())
                }
                Target::Queue(url) => {
                    let letter = Letter {
                        queue: url.to_owned(),
                        about: format!("from the topic rule {rule}"),
                        attributes: Vec::new(),
                        body: event,
                    };
                    self.queues.deliver(letter).await.map_err(DeliverError)
                }
            }
        })
    }
}
