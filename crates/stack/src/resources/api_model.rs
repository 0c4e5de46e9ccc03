//! Models: what bodies of messages are checked with.

use super::{Context, Type, api};
use crate::{Model, WebSocketApi, error::Outcome, intrinsics, node::Kind, resolve::Resource, section::At};

pub(super) fn add_all(context: &Context<'_>, apis: &mut [WebSocketApi]) {
    for resource in context.of_type(Type::Model) {
        context.findings.keep(add(context, resource, apis));
    }
}

fn add(context: &Context<'_>, resource: &Resource, apis: &mut [WebSocketApi]) -> Outcome<()> {
    let section = context.section(resource);
    let api_id = api::owner(context, &section)?;
    let At { value: name, at } = section.required_text("Name")?;
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
        let what = format!("is {name:?}; the name of a model has letters and digits only");
        return Err(section.wrong(at, "Name", &what));
    }
    // Where the API is at fault itself, that is told already.
    let Some(api) = apis.iter_mut().find(|api| api.api_id == api_id) else { return Ok(()) };
    if api.models.iter().any(|other| other.name == name) {
        let what = format!("is {name}, and its API has that model already; rename one");
        return Err(section.wrong(at, "Name", &what));
    }
    let Some(At { value: node, at }) = section.value("Schema")? else {
        return Err(section.missing("Schema"));
    };
    let schema = match &node.kind {
        Kind::Text(text) => serde_json::from_str(&text.value)
            .map_err(|error| section.wrong(at, "Schema", &format!("is a text that is not JSON: {error}")))?,
        Kind::Map(_) | Kind::Seq(_) => intrinsics::json(node),
    };
    // Bodies are JSON whatever the model says of its type.
    section.finish(&["ContentType", "Description"]);
    let (logical_id, name, at) = (resource.logical_id.clone(), name.to_owned(), context.place(at));
    api.models.push(Model { logical_id, name, schema, at });
    Ok(())
}
