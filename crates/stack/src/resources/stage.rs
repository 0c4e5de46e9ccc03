//! Stages, and which of them are deployed.

use std::collections::{BTreeMap, HashSet};

use dunlin_events::limits::{self, ACCOUNT_REQUESTS_BURST, ACCOUNT_REQUESTS_PER_SECOND};

use super::{Context, Type, api};
use crate::{
    AccessLog, Observation, RouteLogLevel, Stage, Throttle, WebSocketApi,
    error::Outcome,
    resolve::Resource,
    section::{At, Section},
};

/// Ids and stage names of deployments, each with the id of its API.
#[derive(Default)]
struct Deployed<'r> {
    ids: HashSet<(&'r str, &'r str)>,
    stages: HashSet<(&'r str, &'r str)>,
}

pub(super) fn add_all(context: &Context<'_>, apis: &mut [WebSocketApi]) {
    let mut deployed = Deployed::default();
    for resource in context.of_type(Type::Deployment) {
        context.findings.keep(deployment(context, resource, &mut deployed));
    }
    let mut names = HashSet::new();
    for resource in context.of_type(Type::Stage) {
        let read = context.findings.keep(stage(context, resource, &deployed, &mut names));
        let Some((api_id, stage)) = read else { continue };
        if let Some(api) = apis.iter_mut().find(|api| api.api_id == api_id) {
            api.stages.push(stage);
        }
    }
}

fn deployment<'r>(context: &Context<'r>, resource: &'r Resource, deployed: &mut Deployed<'r>) -> Outcome<()> {
    let section = context.section(resource);
    let api_id = api::owner(context, &section)?;
    if let Some(At { value: stage, .. }) = section.text("StageName")? {
        deployed.stages.insert((api_id, stage));
    }
    section.finish(&["Description"]);
    deployed.ids.insert((api_id, &resource.name));
    Ok(())
}

fn stage<'r>(
    context: &Context<'r>,
    resource: &'r Resource,
    deployed: &Deployed<'_>,
    names: &mut HashSet<(&'r str, &'r str)>,
) -> Outcome<(&'r str, Stage)> {
    let section = context.section(resource);
    let api_id = api::owner(context, &section)?;
    let At { value: name, at } = section.required_text("StageName")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || name.len() > limits::STAGE_NAME_CHARS_MAX || !name.chars().all(allowed) {
        let max = limits::STAGE_NAME_CHARS_MAX;
        let what = format!("is {name:?}; a stage name has 1 to {max} letters, digits, - and _");
        return Err(section.wrong(at, "StageName", &what));
    }
    if !names.insert((api_id, name)) {
        let what = format!("is {name}, and its API has that stage already; remove one");
        return Err(section.wrong(at, "StageName", &what));
    }
    let auto = section.flag("AutoDeploy")?.unwrap_or(false);
    let by_id = section.text("DeploymentId")?.is_some_and(|id| deployed.ids.contains(&(api_id, id.value)));
    let deployed = auto || by_id || deployed.stages.contains(&(api_id, name));
    if !deployed {
        let text = "a stage has no deployment and refuses every connection";
        context.note(resource.at, text, &resource.logical_id);
    }
    let variables = section.texts("StageVariables")?;
    let (default_throttle, default_observation) = match section.section("DefaultRouteSettings")? {
        None => (None, Observation::default()),
        Some(settings) => route_settings(settings)?,
    };
    let mut route_throttles = BTreeMap::new();
    let mut route_observations = BTreeMap::new();
    if let Some(settings) = section.section("RouteSettings")? {
        for (key, own) in settings.sections()? {
            let (throttle, observation) = route_settings(own)?;
            route_throttles.extend(throttle.map(|throttle| (key.to_owned(), throttle)));
            route_observations.insert(key.to_owned(), observation);
        }
    }
    let access_log = match section.section("AccessLogSettings")? {
        None => None,
        Some(settings) => access_log(context, settings)?,
    };
    section.finish(&["AccessPolicyId", "ClientCertificateId", "Description", "Tags"]);
    let stage = Stage {
        name: name.to_owned(),
        variables,
        deployed,
        default_throttle,
        route_throttles,
        access_log,
        default_observation,
        route_observations,
    };
    Ok((api_id, stage))
}

/// Settings without a format log nothing; the destination is the log group that `dunlin up` stands in for.
fn access_log(context: &Context<'_>, settings: Section<'_>) -> Outcome<Option<AccessLog>> {
    let format = settings.text("Format")?;
    settings.finish(&["DestinationArn"]);
    Ok(format.map(|At { value, at }| AccessLog { format: value.to_owned(), at: context.place(at) }))
}

/// The settings of a route: its throttle, and what is told of it.
fn route_settings(settings: Section<'_>) -> Outcome<(Option<Throttle>, Observation)> {
    let logging_level = match settings.text("LoggingLevel")? {
        None => RouteLogLevel::default(),
        Some(At { value, at }) => match value {
            "OFF" => RouteLogLevel::Off,
            "ERROR" => RouteLogLevel::Error,
            "INFO" => RouteLogLevel::Info,
            _ => {
                let what = format!("is {value}; it must be OFF, ERROR or INFO");
                return Err(settings.wrong(at, "LoggingLevel", &what));
            }
        },
    };
    let observation = Observation {
        detailed_metrics: settings.flag("DetailedMetricsEnabled")?.unwrap_or_default(),
        logging_level,
        data_trace: settings.flag("DataTraceEnabled")?.unwrap_or_default(),
    };
    let throttle = throttle(&settings, "ThrottlingRateLimit", "ThrottlingBurstLimit")?;
    settings.finish(&[]);
    Ok((throttle, observation))
}

/// The throttle under these keys.
pub(super) fn throttle(
    settings: &Section<'_>,
    rate_key: &'static str,
    burst_key: &'static str,
) -> Outcome<Option<Throttle>> {
    let rate = match settings.text(rate_key)? {
        None => None,
        Some(At { value, at }) => match value.trim().parse::<f64>() {
            Ok(rate) if rate.is_finite() && rate >= 0.0 => Some(rate),
            _ => {
                let what = format!("is {value}; it must be a number of requests a second");
                return Err(settings.wrong(at, rate_key, &what));
            }
        },
    };
    let burst = settings.number(burst_key, 0..=u64::from(u32::MAX))?;
    // One without the other leaves that one to the account's.
    Ok(match (rate, burst) {
        (None, None) => None,
        (rate, burst) => Some(Throttle {
            rate_per_second: rate.unwrap_or(f64::from(ACCOUNT_REQUESTS_PER_SECOND)),
            burst: burst.map_or(ACCOUNT_REQUESTS_BURST, |burst| u32::try_from(burst).unwrap_or(u32::MAX)),
        }),
    })
}
