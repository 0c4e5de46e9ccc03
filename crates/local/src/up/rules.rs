//! The stack's topic rules on a broker, with functions as what they call.

use std::{net::IpAddr, net::Ipv4Addr, net::Ipv6Addr, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use dunlin_iot_rules::{Action, BoxFuture, Config, DeliverError, IotRules, Rule, RuleSink, StartError, Target};
use dunlin_lambda_host::{InvocationType, LambdaHost};
use dunlin_stack::{Stack, TopicRule};

use super::listen::in_use;
use crate::failure::Failure;

/// Who a rule is in a function's resource policy (S9).
const RULES_PRINCIPAL: &str = "iot.amazonaws.com";

/// Starts the broker with every rule of the stack.
pub(super) async fn start(
    stack: &Stack,
    host: Arc<LambdaHost>,
    address: IpAddr,
    port: u16,
) -> Result<IotRules, Failure> {
    let mut addresses = vec![SocketAddr::new(address, port)];
    if address == Ipv4Addr::LOCALHOST && has_ipv6() {
        addresses.push(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port));
    }
    let rules = stack.rules.iter().map(|rule| Rule {
        name: rule.name.clone(),
        sql: rule.sql.clone(),
        actions: rule
            .functions
            .iter()
            .filter(|function| may_invoke(stack, rule, function))
            .map(|function| Action::Lambda { function: function.clone() })
            .collect(),
        ..Rule::default()
    });
    let config = Config { addresses, rules: rules.collect(), ..Config::default() };
    IotRules::start(config, Arc::new(Functions(host))).await.map_err(|error| match error {
        StartError::AddressInUse { address } => in_use(address.ip(), address.port(), "--mqtt-port"),
        StartError::Rule { .. } => Failure::data(format!("{}: {error}", stack.template.display())),
        other => Failure::unavailable(format!("{other}; choose another port with --mqtt-port")),
    })
}

fn has_ipv6() -> bool {
    std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

fn may_invoke(stack: &Stack, rule: &TopicRule, function: &str) -> bool {
    let allowed = stack.may_invoke(RULES_PRINCIPAL, &rule.arn, function);
    if !allowed {
        tracing::warn!(
            "rule {} will not call {function}: {RULES_PRINCIPAL} may not invoke it from {}; add an AWS::Lambda::Permission",
            rule.name,
            rule.arn
        );
    }
    allowed
}

/// A rule invokes its function asynchronously (S6).
struct Functions(Arc<LambdaHost>);

impl RuleSink for Functions {
    fn deliver<'a>(&'a self, target: Target<'a>, event: Bytes) -> BoxFuture<'a, Result<(), DeliverError>> {
        Box::pin(async move {
            let Target::Function(function) = target else {
                return Err(DeliverError(format!("{target:?} is not part of this stack")));
            };
            let accepted = self.0.invoke(function, event, InvocationType::Event).await;
            accepted.map(drop).map_err(|error| DeliverError(error.to_string()))
        })
    }
}
