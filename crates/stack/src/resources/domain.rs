//! Custom domain names, and which APIs their paths lead to (H4).

use super::{Context, Type, api};
use crate::{
    ApiMapping, Domain, WebSocketApi,
    error::Outcome,
    resolve::Resource,
    section::{At, Section},
};

/// Characters of a base path: the service's limit.
const BASE_PATH_CHARS_MAX: usize = 300;

pub(super) fn build(context: &Context<'_>, apis: &[WebSocketApi]) -> Vec<Domain> {
    let domains = context.of_type(Type::DomainName);
    let mut domains: Vec<Domain> =
        domains.filter_map(|resource| context.findings.keep(domain(context, resource))).collect();
    for resource in context.of_type(Type::ApiMapping) {
        context.findings.keep(mapping(context, resource, apis, &mut domains));
    }
    domains
}

fn domain(context: &Context<'_>, resource: &Resource) -> Outcome<Domain> {
    let section = context.section(resource);
    let At { value, at } = section.required_text("DomainName")?;
    let name = value.to_ascii_lowercase();
    let label = |label: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !label.is_empty() && label.chars().all(allowed) && !label.starts_with('-') && !label.ends_with('-')
    };
    let labels = name.strip_prefix("*.").unwrap_or(&name);
    if !labels.contains('.') || !labels.split('.').all(label) {
        let what = format!("is {value:?}; it must be a host name such as ws.example.com");
        return Err(section.wrong(at, "DomainName", &what));
    }
    section.refuse(
        "MutualTlsAuthentication",
        "asks clients for certificates, which is not supported; remove it",
    )?;
    section.finish(&["DomainNameConfigurations", "RoutingMode", "Tags"]);
    context.check_name(&[Type::DomainName], resource)?;
    let logical_id = resource.logical_id.clone();
    Ok(Domain { logical_id, name, mappings: Vec::new(), at: context.place(resource.at) })
}

fn mapping(
    context: &Context<'_>,
    resource: &Resource,
    apis: &[WebSocketApi],
    domains: &mut [Domain],
) -> Outcome<()> {
    let section = context.section(resource);
    let api_id = api::owner(context, &section)?;
    let base_path = base_path(&section)?;
    let At { value: name, at: name_at } = section.required_text("DomainName")?;
    let stage = section.required_text("Stage")?;
    // Where the API is at fault itself, that is told already.
    let Some(api) = apis.iter().find(|api| api.api_id == api_id) else { return Ok(()) };
    if context.findings.is_clean() && api.stages.iter().all(|own| own.name != stage.value) {
        let what = format!("is {}, which is not a stage of {}", stage.value, api.logical_id);
        return Err(section.wrong(stage.at, "Stage", &what));
    }
    let name = name.to_ascii_lowercase();
    let Some(domain) = domains.iter_mut().find(|domain| domain.name == name) else {
        if context.has(Type::DomainName, &name) {
            return Ok(());
        }
        let what = format!("is {name}, which is not an AWS::ApiGatewayV2::DomainName of this template");
        return Err(section.wrong(name_at, "DomainName", &what));
    };
    if domain.mappings.iter().any(|other| other.base_path == base_path) {
        let what = format!("is {base_path:?}, which leads from {name} elsewhere already; choose another");
        return Err(section.wrong(resource.at, "ApiMappingKey", &what));
    }
    let stage = stage.value.to_owned();
    domain.mappings.push(ApiMapping { base_path, api_id: api_id.to_owned(), stage });
    section.finish(&[]);
    Ok(())
}

/// `ApiMappingKey`: path segments of letters, digits and a few signs.
fn base_path(section: &Section<'_>) -> Outcome<String> {
    let Some(At { value, at }) = section.text("ApiMappingKey")? else { return Ok(String::new()) };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "$-_.+!*'()".contains(c);
    let segment = |segment: &str| !segment.is_empty() && segment.chars().all(allowed);
    let is_good = value.len() <= BASE_PATH_CHARS_MAX && value.split('/').all(segment);
    match value {
        "" | "(none)" => Ok(String::new()),
        _ if is_good => Ok(value.to_owned()),
        _ => {
            let what =
                format!("is {value:?}; it must be a path such as chat or chat/v1, without a slash around it");
            Err(section.wrong(at, "ApiMappingKey", &what))
        }
    }
}
