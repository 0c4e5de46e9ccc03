//! REQUEST authorizers: functions that say who may connect.

use std::collections::HashMap;

use super::{Context, Type, api, integration, owned};
use crate::{
    Authorizer,
    error::Outcome,
    resolve::Resource,
    section::{At, Section},
};

/// Authorizers by id: the id of the API and the authorizer, or nothing for one that is at fault.
pub(super) type Authorizers = HashMap<String, Option<(String, Authorizer)>>;

pub(super) fn read_all(context: &Context<'_>) -> Authorizers {
    let all = context.resources.iter().filter(|resource| resource.kind == Type::Authorizer);
    let of = |resource: &Resource| {
        let found = if resource.broken { None } else { context.findings.keep(authorizer(context, resource)) };
        (resource.name.clone(), found)
    };
    all.map(|resource| of(resource)).collect()
}

fn authorizer(context: &Context<'_>, resource: &Resource) -> Outcome<(String, Authorizer)> {
    let section = context.section(resource);
    let api_id = api::owner(context, &section)?;
    let name = section.required_text("Name")?.value.to_owned();
    let kind = section.required_text("AuthorizerType")?;
    if kind.value != "REQUEST" {
        let what = format!("is {}; a WebSocket API takes REQUEST", kind.value);
        return Err(section.wrong(kind.at, "AuthorizerType", &what));
    }
    let uri = section.required_text("AuthorizerUri")?;
    let function = integration::function_of_uri(context, &section, "AuthorizerUri", uri)?;
    let identity_sources = identity_sources(&section)?;
    let credentials_arn = owned(section.text("AuthorizerCredentialsArn")?);
    // The service keeps no result of a WebSocket authorizer (A7).
    section.finish(&["AuthorizerResultTtlInSeconds"]);
    let authorizer = Authorizer {
        logical_id: resource.logical_id.clone(),
        authorizer_id: resource.name.clone(),
        name,
        function,
        identity_sources,
        credentials_arn,
    };
    Ok((api_id.to_owned(), authorizer))
}

fn identity_sources(section: &Section<'_>) -> Outcome<Vec<String>> {
    let Some(At { value: items, .. }) = section.list("IdentitySource")? else { return Ok(Vec::new()) };
    let source = |item: &crate::node::Node| match item.as_text() {
        Some(text) => Ok(text.to_owned()),
        None => {
            let what =
                format!("has {} in it; it takes texts such as route.request.header.Token", item.noun());
            Err(section.wrong(item.at, "IdentitySource", &what))
        }
    };
    items.iter().map(source).collect()
}
