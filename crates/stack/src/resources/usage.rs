//! API keys and usage plans (A10).

use std::collections::HashMap;

use dunlin_events::limits;

use super::{Context, Type, owned, stage};
use crate::{
    ApiKey, Quota, QuotaPeriod, UsagePlan, WebSocketApi,
    error::Outcome,
    resolve::Resource,
    section::{At, Section},
};

/// Reads keys and plans.
pub(super) fn build(context: &Context<'_>, apis: &[WebSocketApi]) -> (Vec<ApiKey>, Vec<UsagePlan>) {
    let mut keys: Vec<ApiKey> = Vec::new();
    for resource in context.of_type(Type::ApiKey) {
        keys.extend(context.findings.keep(key(context, resource, &keys)));
    }
    let plans = context.of_type(Type::UsagePlan);
    let mut plans: Vec<UsagePlan> =
        plans.filter_map(|resource| context.findings.keep(plan(context, resource, apis))).collect();
    let mut index: HashMap<String, usize> = HashMap::new();
    for (place, plan) in plans.iter().enumerate() {
        index.insert(plan.plan_id.clone(), place);
    }
    for resource in context.of_type(Type::UsagePlanKey) {
        let Some((plan, key)) = context.findings.keep(plan_key(context, resource)) else { continue };
        if let Some(place) = index.get(plan) {
            plans[*place].keys.push(key.to_owned());
        }
    }
    (keys, plans)
}

fn key(context: &Context<'_>, resource: &Resource, others: &[ApiKey]) -> Outcome<ApiKey> {
    let section = context.section(resource);
    let (min, max) = (limits::API_KEY_CHARS_MIN, limits::API_KEY_CHARS_MAX);
    let value = section.text("Value")?;
    if let Some(At { value, at }) = value {
        if !(min..=max).contains(&value.len()) || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            let what = format!("must have {min} to {max} letters, digits and signs");
            return Err(section.wrong(at, "Value", &what));
        }
        if let Some(twin) = others.iter().find(|other| other.value.as_deref() == Some(value)) {
            let what = format!("is that of {} as well; choose another", twin.logical_id);
            return Err(section.wrong(at, "Value", &what));
        }
    }
    let enabled = section.flag("Enabled")?.unwrap_or(false);
    if !enabled {
        section.note(resource.at, "an API key is not enabled, so nobody connects with it");
    }
    section.finish(&["CustomerId", "Description", "GenerateDistinctId", "Name", "StageKeys", "Tags"]);
    Ok(ApiKey {
        logical_id: resource.logical_id.clone(),
        key_id: resource.name.clone(),
        value: owned(value),
        enabled,
        at: context.place(resource.at),
    })
}

fn plan(context: &Context<'_>, resource: &Resource, apis: &[WebSocketApi]) -> Outcome<UsagePlan> {
    let section = context.section(resource);
    let throttle = match section.section("Throttle")? {
        None => None,
        Some(own) => {
            let throttle = stage::throttle(&own, "RateLimit", "BurstLimit")?;
            own.finish(&[]);
            throttle
        }
    };
    let quota = match section.section("Quota")? {
        None => None,
        Some(own) => quota(own)?,
    };
    let mut stages = Vec::new();
    if let Some(At { value: items, .. }) = section.list("ApiStages")? {
        for item in items {
            let own = Section::new(context.findings, &resource.logical_id, "ApiStages", item.at, item);
            let (api_id, name) = (own.required_text("ApiId")?, own.required_text("Stage")?);
            own.finish(&[]);
            let Some(api) = apis.iter().find(|api| api.api_id == api_id.value) else {
                if !context.has(Type::Api, api_id.value) {
                    section.note(api_id.at, "a usage plan covers an API that is not part of the local stack");
                }
                continue;
            };
            if context.findings.is_clean() && api.stages.iter().all(|stage| stage.name != name.value) {
                let what = format!("is {}, which is not a stage of {}", name.value, api.logical_id);
                return Err(section.wrong(name.at, "Stage", &what));
            }
            stages.push((api.api_id.clone(), name.value.to_owned()));
        }
    }
    section.finish(&["Description", "Tags", "UsagePlanName"]);
    Ok(UsagePlan {
        logical_id: resource.logical_id.clone(),
        plan_id: resource.name.clone(),
        stages,
        keys: Vec::new(),
        throttle,
        quota,
    })
}

fn quota(section: Section<'_>) -> Outcome<Option<Quota>> {
    let limit = section.number("Limit", 0..=u64::from(u32::MAX))?;
    let offset = section.number("Offset", 0..=u64::from(u32::MAX))?.unwrap_or(0);
    let period = section.text("Period")?;
    let (Some(limit), Some(At { value: period, at })) = (limit, period) else {
        return match (limit, period) {
            (None, None) => Ok(None),
            (None, _) => Err(section.missing("Limit")),
            _ => Err(section.missing("Period")),
        };
    };
    let period = match period {
        "DAY" => QuotaPeriod::Day,
        "WEEK" => QuotaPeriod::Week,
        "MONTH" => QuotaPeriod::Month,
        other => {
            let what = format!("is {other}; it must be DAY, WEEK or MONTH");
            return Err(section.wrong(at, "Period", &what));
        }
    };
    section.finish(&[]);
    Ok(Some(Quota { limit, offset, period }))
}

/// The ids of a plan and of a key in it.
fn plan_key<'r>(context: &Context<'r>, resource: &'r Resource) -> Outcome<(&'r str, &'r str)> {
    let section = context.section(resource);
    let kind = section.required_text("KeyType")?;
    if kind.value != "API_KEY" {
        return Err(section.wrong(kind.at, "KeyType", &format!("is {}; it must be API_KEY", kind.value)));
    }
    let (plan, key) = (section.required_text("UsagePlanId")?, section.required_text("KeyId")?);
    for (property, At { value, at }, kind) in
        [("UsagePlanId", plan, Type::UsagePlan), ("KeyId", key, Type::ApiKey)]
    {
        if !context.has(kind, value) {
            let what = format!("is {value}, which is not in this template; name it with Ref");
            return Err(section.wrong(at, property, &what));
        }
    }
    section.finish(&[]);
    Ok((plan.value, key.value))
}
