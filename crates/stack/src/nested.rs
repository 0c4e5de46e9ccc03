//! Nested stacks: templates that a template names by path.

use std::{collections::BTreeMap, io};

use crate::{
    error::{Fault, Outcome},
    load,
    node::{Kind, Node},
    resolve::{Instance, Resolved, Resolver, Resource},
    section::{At, Section},
};

/// Stacks in stacks: ours. Deeper ones are most likely a template that names itself.
const DEPTH_MAX: usize = 5;

/// Templates of one stack, itself included: ours.
pub(crate) const STACKS_MAX: usize = 64;

/// Properties that change nothing here.
const HARMLESS: [&str; 5] = ["Description", "NotificationARNs", "StackName", "Tags", "TimeoutInMinutes"];

impl Resolver<'_> {
    /// Reads the template of an `AWS::CloudFormation::Stack` or `AWS::Serverless::Application`.
    pub(crate) fn nested(&self, resource: &Resource, id: &str, around: &Instance<'_>) -> Outcome<Resolved> {
        let section = Section::of(resource, self.findings);
        let key =
            if resource.type_name == "AWS::Serverless::Application" { "Location" } else { "TemplateURL" };
        let Some(At { value: location, at }) = section.value(key)? else { return Err(section.missing(key)) };
        let path = location.as_text().filter(|path| !path.contains("://")).ok_or_else(|| {
            section.wrong(at, key, "does not lie on this machine; name a template by its path")
        })?;
        let values = values(&section)?;
        if around.depth >= DEPTH_MAX {
            let message =
                format!("{id} is a stack more than {DEPTH_MAX} deep in others; does it hold itself?");
            return Err(Fault::at(at, message));
        }
        if self.stacks.get() >= STACKS_MAX {
            let message = format!("more than {STACKS_MAX} templates make up this stack; use fewer");
            return Err(Fault::at(at, message));
        }
        self.stacks.set(self.stacks.get() + 1);

        let (shown, file) = {
            let sources = self.sources.borrow();
            let parent = sources.get(around.source);
            let folder = parent.path.parent().map_or_else(|| parent.folder.clone(), ToOwned::to_owned);
            let tidy = |path: std::path::PathBuf| path.components().collect::<std::path::PathBuf>();
            (tidy(folder.join(path)), tidy(parent.folder.join(path)))
        };
        let bytes = load::read_bytes(&file).map_err(|error| {
            let what = match error.kind() {
                io::ErrorKind::NotFound => "is not there".to_owned(),
                _ => format!("cannot be read: {error}"),
            };
            section.wrong(at, key, &format!("names {}, which {what}", shown.display()))
        })?;
        section.finish(&HARMLESS);
        let source = load::add(&mut self.sources.borrow_mut(), &shown, &file, &bytes)?;
        Ok(self.resolve(&Instance {
            source,
            stack_name: format!("{}-{id}", around.stack_name),
            prefix: format!("{}.", resource.logical_id),
            values: &values,
            depth: around.depth + 1,
        }))
    }
}

fn values(section: &Section<'_>) -> Outcome<BTreeMap<String, String>> {
    let Some(parameters) = section.section("Parameters")? else { return Ok(BTreeMap::new()) };
    let text = |node: &Node, key: &str| match &node.kind {
        Kind::Text(text) => Ok(text.value.clone()),
        Kind::Seq(items) if items.iter().all(|item| item.as_text().is_some()) => {
            Ok(items.iter().filter_map(Node::as_text).collect::<Vec<_>>().join(","))
        }
        _ => Err(parameters.wrong(
            node.at,
            key,
            &format!("is {}; it must be a text or a list of texts", node.noun()),
        )),
    };
    parameters
        .entries()
        .iter()
        .map(|entry| Ok((entry.key.clone(), text(&entry.value, &entry.key)?)))
        .collect()
}
