//! Stages, and which of them are deployed.

use std::collections::HashSet;

use dunlin_events::limits;

use super::{Context, Type, api};
use crate::{Stage, WebSocketApi, error::Outcome, resolve::Resource, section::At};

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
    section.finish(&["AccessPolicyId", "Description", "Tags"]);
    Ok((api_id, Stage { name: name.to_owned(), variables, deployed }))
}
