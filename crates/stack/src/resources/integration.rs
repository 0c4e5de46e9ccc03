//! Integrations: what routes call.

use std::{collections::HashMap, time::Duration};

use dunlin_events::limits;

use super::{Context, Type, api, no_function, owned};
use crate::{
    ContentHandling, HttpEndpoint, Integration, IntegrationKind, IntegrationResponse, Mapping, Passthrough,
    Templates, arn,
    error::Outcome,
    resolve::Resource,
    section::{At, Section},
};

/// Integrations by id: the id of the API and the integration, or nothing for one that is at fault.
pub(super) type Integrations = HashMap<String, Option<(String, Integration)>>;

/// By which an `AWS` integration only hands the event over (G8).
const INVOCATION_TYPE: &str = "integration.request.header.X-Amz-Invocation-Type";

pub(super) fn read_all(context: &Context<'_>) -> Integrations {
    let mut responses = responses(context);
    let mut of = |resource: &Resource| {
        let own = responses.remove(resource.name.as_str()).unwrap_or_default();
        let found =
            if resource.broken { None } else { context.findings.keep(integration(context, resource, own)) };
        (resource.name.clone(), found)
    };
    let resources = context.resources.iter().filter(|resource| resource.kind == Type::Integration);
    resources.map(|resource| of(resource)).collect()
}

/// Integration responses by the id of their integration, in template order.
fn responses<'r>(context: &Context<'r>) -> HashMap<&'r str, Vec<(&'r Resource, IntegrationResponse)>> {
    let mut by_integration: HashMap<&str, Vec<_>> = HashMap::new();
    for resource in context.of_type(Type::IntegrationResponse) {
        if let Some((id, response)) = context.findings.keep(response(context, resource)) {
            by_integration.entry(id).or_default().push((resource, response));
        }
    }
    by_integration
}

fn response<'r>(context: &Context<'r>, resource: &'r Resource) -> Outcome<(&'r str, IntegrationResponse)> {
    let section = context.section(resource);
    api::owner(context, &section)?;
    let At { value: id, at } = section.required_text("IntegrationId")?;
    if !context.has(Type::Integration, id) {
        let what = format!("is {id}, which is not an integration of this template");
        return Err(section.wrong(at, "IntegrationId", &what));
    }
    let key = section.required_text("IntegrationResponseKey")?.value.to_owned();
    let content = content(&section)?;
    let templates = templates(&section, "ResponseTemplates")?;
    section.finish(&[]);
    Ok((id, IntegrationResponse { key, templates, content }))
}

fn integration(
    context: &Context<'_>,
    resource: &Resource,
    responses: Vec<(&Resource, IntegrationResponse)>,
) -> Outcome<(String, Integration)> {
    let section = context.section(resource);
    let api_id = api::owner(context, &section)?;
    let content = content(&section)?;
    if let Some(At { value, at }) = section.text("ConnectionType")?
        && value != "INTERNET"
    {
        let what = format!("is {value}; only INTERNET is supported");
        return Err(section.wrong(at, "ConnectionType", &what));
    }
    let (low, high) = (millis(limits::INTEGRATION_TIMEOUT_MIN), millis(limits::INTEGRATION_TIMEOUT_MAX));
    let timeout = section.number("TimeoutInMillis", low..=high)?;
    let credentials_arn = owned(section.text("CredentialsArn")?);
    let kind = kind(context, &section, responses)?;
    section.finish(&["Description", "IntegrationMethod", "PassthroughBehavior", "PayloadFormatVersion"]);
    let integration = Integration {
        logical_id: resource.logical_id.clone(),
        kind,
        timeout: timeout.map_or(limits::INTEGRATION_TIMEOUT_MAX, Duration::from_millis),
        credentials_arn,
        content,
    };
    Ok((api_id.to_owned(), integration))
}

fn kind(
    context: &Context<'_>,
    section: &Section<'_>,
    responses: Vec<(&Resource, IntegrationResponse)>,
) -> Outcome<IntegrationKind> {
    let At { value: kind, at } = section.required_text("IntegrationType")?;
    let is_proxy = kind.ends_with("_PROXY");
    if is_proxy {
        for (resource, _) in &responses {
            let text = "an integration response has no effect on a proxy integration's answer";
            context.note(resource.at, text, &resource.logical_id);
        }
    }
    let responses = || responses.into_iter().map(|(_, response)| response).collect();
    match kind {
        "AWS_PROXY" => Ok(IntegrationKind::LambdaProxy { function: function(context, section)? }),
        "AWS" => {
            let function = function(context, section)?;
            let parameters = section.texts("RequestParameters")?;
            // Names of headers have no case.
            let asynchronous = parameters
                .iter()
                .any(|(name, value)| name.eq_ignore_ascii_case(INVOCATION_TYPE) && value == "'Event'");
            Ok(IntegrationKind::Lambda { function, mapping: mapping(section, responses())?, asynchronous })
        }
        "HTTP_PROXY" => Ok(IntegrationKind::HttpProxy(endpoint(section)?)),
        "HTTP" => {
            let (endpoint, mapping) = (endpoint(section)?, mapping(section, responses())?);
            Ok(IntegrationKind::Http { endpoint, mapping })
        }
        "MOCK" => Ok(IntegrationKind::Mock(mapping(section, responses())?)),
        other => {
            let what = format!("is {other}; it must be AWS_PROXY, AWS, HTTP_PROXY, HTTP or MOCK");
            Err(section.wrong(at, "IntegrationType", &what))
        }
    }
}

fn function(context: &Context<'_>, section: &Section<'_>) -> Outcome<String> {
    function_of_uri(context, section, "IntegrationUri", section.required_text("IntegrationUri")?)
}

fn endpoint(section: &Section<'_>) -> Outcome<HttpEndpoint> {
    let At { value: uri, at } = section.required_text("IntegrationUri")?;
    let schemes = ["http://", "https://", arn::STAGE_VARIABLE];
    if !schemes.iter().any(|scheme| uri.starts_with(scheme)) {
        let what = format!("is {uri}; it must start with http:// or https://");
        return Err(section.wrong(at, "IntegrationUri", &what));
    }
    let method =
        section.text("IntegrationMethod")?.map_or("POST", |method| method.value).to_ascii_uppercase();
    let parameters = section.texts("RequestParameters")?;
    Ok(HttpEndpoint { method, uri: uri.to_owned(), parameters })
}

fn mapping(section: &Section<'_>, responses: Vec<IntegrationResponse>) -> Outcome<Mapping> {
    let passthrough = match section.text("PassthroughBehavior")? {
        None => Passthrough::default(),
        Some(At { value, at }) => match value {
            "WHEN_NO_MATCH" => Passthrough::WhenNoMatch,
            "WHEN_NO_TEMPLATES" => Passthrough::WhenNoTemplates,
            "NEVER" => Passthrough::Never,
            other => {
                let what = format!("is {other}; it must be WHEN_NO_MATCH, WHEN_NO_TEMPLATES or NEVER");
                return Err(section.wrong(at, "PassthroughBehavior", &what));
            }
        },
    };
    Ok(Mapping { request: templates(section, "RequestTemplates")?, passthrough, responses })
}

fn templates(section: &Section<'_>, key: &'static str) -> Outcome<Templates> {
    let selection = owned(section.text("TemplateSelectionExpression")?);
    Ok(Templates { selection, by_key: section.texts(key)? })
}

/// `ContentHandlingStrategy` (R11).
fn content(section: &Section<'_>) -> Outcome<Option<ContentHandling>> {
    match section.text("ContentHandlingStrategy")? {
        None => Ok(None),
        Some(At { value: "CONVERT_TO_BINARY", .. }) => Ok(Some(ContentHandling::ToBinary)),
        Some(At { value: "CONVERT_TO_TEXT", .. }) => Ok(Some(ContentHandling::ToText)),
        Some(At { value, at }) => {
            let what = format!("is {value}; it must be CONVERT_TO_BINARY or CONVERT_TO_TEXT");
            Err(section.wrong(at, "ContentHandlingStrategy", &what))
        }
    }
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
    if function_arn.contains(arn::STAGE_VARIABLE) {
        // Which function that is at each stage is checked once the stages are known.
        return Ok(arn::function_name(function_arn).to_owned());
    }
    match context.function_named(function_arn) {
        Some(function) => Ok(function.to_owned()),
        None => Err(no_function(at, section.owner, function_arn)),
    }
}
