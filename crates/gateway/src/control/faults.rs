use std::sync::Arc;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::{Problem, read};
use crate::{
    Backend,
    faults::{Faults, RULES_MAX, Rule, RuleConfig},
    gateway::Gateway,
};

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    rule: &'a RuleConfig,
    hits: u64,
}

/// The rules: all of them, or the one with this id. Every answer is the list as it stands then.
pub(super) async fn answer<B: Backend>(
    gateway: &Arc<Gateway<B>>,
    id: Option<&str>,
    request: Request<Incoming>,
) -> Result<String, Problem> {
    let id = id.map(|id| percent_decode_str(id).decode_utf8_lossy().into_owned());
    let method = request.method().clone();
    match (method, id) {
        (Method::GET, None) => {}
        (Method::PUT, None) => set(gateway, read(gateway, request.into_body()).await?)?,
        (Method::PUT, Some(id)) => set_one(gateway, id, read(gateway, request.into_body()).await?)?,
        (Method::DELETE, None) => change(gateway, |_| Ok(Vec::new()))?,
        (Method::DELETE, Some(id)) => remove(gateway, &id)?,
        (_, None) => return Err(Problem::not_allowed("GET, PUT with a list of rules, or DELETE")),
        (_, Some(_)) => return Err(Problem::not_allowed("PUT with a rule, or DELETE")),
    }
    let rules = gateway.faults.rules();
    let shown: Vec<_> =
        rules.iter().map(|rule| Shown { rule: &rule.config, hits: rule.hits_so_far() }).collect();
    Ok(serde_json::to_string(&shown).unwrap_or_default())
}

/// Puts these rules in the place of all others.
fn set<B: Backend>(gateway: &Gateway<B>, configs: Vec<RuleConfig>) -> Result<(), Problem> {
    let mut rules: Vec<Rule> = Vec::with_capacity(configs.len().min(RULES_MAX));
    for config in configs {
        let rule = Rule::new(config).map_err(Problem::bad)?;
        if rules.iter().any(|other| other.config.id == rule.config.id) {
            return Err(Problem::bad(format!("two rules have the id {}", rule.config.id)));
        }
        rules.push(rule);
    }
    change(gateway, |_| Ok(rules))
}

/// Adds a rule, or puts it in the place of the one with its id.
fn set_one<B: Backend>(gateway: &Gateway<B>, id: String, mut config: RuleConfig) -> Result<(), Problem> {
    if !config.id.is_empty() && config.id != id {
        return Err(Problem::bad(format!("the path says {id} and the rule says {}", config.id)));
    }
    config.id = id;
    let rule = Rule::new(config).map_err(Problem::bad)?;
    change(gateway, |mut rules| {
        match rules.iter_mut().find(|other| other.config.id == rule.config.id) {
            Some(other) => *other = rule,
            None => rules.push(rule),
        }
        Ok(rules)
    })
}

fn remove<B: Backend>(gateway: &Gateway<B>, id: &str) -> Result<(), Problem> {
    change(gateway, |mut rules| {
        let position = rules.iter().position(|rule| rule.config.id == id);
        let position =
            position.ok_or_else(|| Problem(StatusCode::NOT_FOUND, format!("there is no rule {id}")))?;
        rules.remove(position);
        Ok(rules)
    })
}

fn change<B: Backend>(
    gateway: &Gateway<B>,
    change: impl FnOnce(Vec<Rule>) -> Result<Vec<Rule>, Problem>,
) -> Result<(), Problem> {
    let new = gateway.faults.change(|rules| match change(rules)? {
        rules if rules.len() > RULES_MAX => Err(Problem::bad(format!(
            "{} rules are more than the {RULES_MAX} that are possible",
            rules.len()
        ))),
        rules => Ok(rules),
    })?;
    new.iter().for_each(|rule| Faults::seize_now(rule, |visit| gateway.for_every_connection(visit)));
    Ok(())
}
