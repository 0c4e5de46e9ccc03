//! Integrations: what routes call.

use std::{collections::HashMap, time::Duration};

use dunlin_events::limits;

use super::{Context, Type, api, no_function, owned};
use crate::{
    Integration, IntegrationKind,
    error::Outcome,
    resolve::Resource,
    section::{At, Section},
};

/// Integrations by id: the id of the API and the integration, or nothing for one that is at fault.
pub(super) type Integrations = HashMap<String, Option<(String, Integration)>>;

pub(super) fn read_all(context: &Context<'_>) -> Integrations {
    let read = |resource: &&std::rc::Rc<Resource>| resource.kind == Type::Integration;
    let of = |resource: &Resource| {
        let found =
            if resource.broken { None } else { context.findings.keep(integration(context, resource)) };
        (resource.name.clone(), found)
    };
    context.resources.iter().filter(read).map(|resource| of(resource)).collect()
}

fn integration(context: &Context<'_>, resource: &Resource) -> Outcome<(String, Integration)> {
    let section = context.section(resource);
    let api_id = api::owner(context, &section)?;
    let kind = section.required_text("IntegrationType")?;
    if kind.value != "AWS_PROXY" {
        let what = format!("is {}, which is not supported yet; only AWS_PROXY is", kind.value);
        return Err(section.wrong(kind.at, "IntegrationType", &what));
    }
    section.refuse("ContentHandlingStrategy", "is not supported yet; remove it")?;
    if let Some(At { value, at }) = section.text("ConnectionType")?
        && value != "INTERNET"
    {
        let what = format!("is {value}; only INTERNET is supported");
        return Err(section.wrong(at, "ConnectionType", &what));
    }
    let uri = section.required_text("IntegrationUri")?;
    let function = function_of_uri(context, &section, "IntegrationUri", uri)?;
    let (low, high) = (millis(limits::INTEGRATION_TIMEOUT_MIN), millis(limits::INTEGRATION_TIMEOUT_MAX));
    let timeout = section.number("TimeoutInMillis", low..=high)?;
    let credentials_arn = owned(section.text("CredentialsArn")?);
    section.finish(&["Description", "IntegrationMethod", "PassthroughBehavior", "PayloadFormatVersion"]);
    let integration = Integration {
        logical_id: resource.logical_id.clone(),
        kind: IntegrationKind::LambdaProxy { function },
        timeout: timeout.map_or(limits::INTEGRATION_TIMEOUT_MAX, Duration::from_millis),
        credentials_arn,
    };
    Ok((api_id.to_owned(), integration))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The function in `arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function ARN}/invocations` (G10).
pub(super) fn function_of_uri(
    context: &Context<'_>,
    section: &Section<'_>,
    key: &str,
    At { value: uri, at }: At<&str>,
) -> Outcome<String> {
    let function_arn = uri
        .strip_prefix("arn:")
        .and_then(|rest| rest.split_once(":lambda:path/2015-03-31/functions/"))
        .filter(|(front, _)| front.split(':').nth(1) == Some("apigateway"))
        .and_then(|(_, rest)| rest.strip_suffix("/invocations"));
    let Some(function_arn) = function_arn else {
        let what = format!(
            "is {uri}; for a function it must be arn:aws:apigateway:{{region}}:lambda:path/2015-03-31/functions/{{function \
             ARN}}/invocations"
        );
        return Err(section.wrong(at, key, &what));
    };
    if function_arn.contains("${stageVariables.") {
        let what = "takes its function from a stage variable, which is not supported yet; name the function";
        return Err(section.wrong(at, key, what));
    }
    match context.function_named(function_arn) {
        Some(function) => Ok(function.to_owned()),
        None => Err(no_function(at, section.owner, function_arn)),
    }
}
