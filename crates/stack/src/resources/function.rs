use std::{path::Path, time::Duration};

use dunlin_events::limits;

use super::{arn_of, properties, rule};
use crate::{
    Function, Permission, TopicRule,
    error::{Fault, Outcome},
    node::{Kind, Node},
    scope::Scope,
    section::{At, Section},
    template::Resource,
};

/// Properties that change nothing about what the function does here.
const HARMLESS: [&str; 18] = [
    "Architectures",
    "AssumeRolePolicyDocument",
    "Description",
    "EphemeralStorage",
    "KmsKeyArn",
    "LoggingConfig",
    "PackageType",
    "PermissionsBoundary",
    "Policies",
    "PropagateTags",
    "Role",
    "RolePath",
    "RuntimeManagementConfig",
    "SnapStart",
    "Tags",
    "Tracing",
    "TracingConfig",
    "VersionDescription",
];

/// Smallest timeout of a function, in seconds: the service's limit.
const TIMEOUT_SECS_MIN: u64 = 1;

/// Smallest memory of a function, in MB (N4).
const MEMORY_MB_MIN: u64 = limits::FUNCTION_MEMORY_MB_DEFAULT as u64;

/// An `AWS::Serverless::Function`, and what SAM adds for its events.
pub(super) fn serverless(
    scope: &Scope<'_>,
    resource: &Resource,
    base: &Path,
) -> Outcome<(Function, Vec<(TopicRule, Permission)>)> {
    let section = properties(scope, resource);
    section.refuse(
        "InlineCode",
        "is not supported; put an executable bootstrap in a folder and name it in CodeUri",
    )?;
    section.refuse("ImageUri", "is not supported; functions run as processes, not as containers")?;
    let Some(At { value, line }) = section.value("CodeUri")? else { return Err(section.missing("CodeUri")) };
    let code = local_code(&section, "CodeUri", line, value)?;
    let function = common(scope, resource, &section, base, &code)?;
    let events = rule::of_events(scope, &section, &function)?;
    section.finish(&HARMLESS);
    Ok((function, events))
}

/// An `AWS::Lambda::Function` whose `Code` is a local path, as it is before packaging.
pub(super) fn plain(scope: &Scope<'_>, resource: &Resource, base: &Path) -> Outcome<Function> {
    let section = properties(scope, resource);
    let Some(At { value, line }) = section.value("Code")? else { return Err(section.missing("Code")) };
    let code = local_code(&section, "Code", line, value)?;
    let function = common(scope, resource, &section, base, &code)?;
    section.finish(&HARMLESS);
    Ok(function)
}

/// Adds a function whose name no other has.
pub(super) fn add(functions: &mut Vec<Function>, function: Function) -> Outcome<()> {
    match functions.iter().find(|other| other.name == function.name) {
        None => {
            functions.push(function);
            Ok(())
        }
        Some(other) => {
            let Function { logical_id, name, line, .. } = &function;
            let message =
                format!("{logical_id} and {} both have the name {name}; rename one", other.logical_id);
            Err(Fault::at(*line, message))
        }
    }
}

fn local_code(section: &Section<'_, '_>, key: &str, line: usize, value: Node) -> Outcome<String> {
    match value.kind {
        Kind::Text(path) if !path.contains("://") => Ok(path),
        Kind::Text(_) | Kind::Seq(_) | Kind::Map(_) => Err(section.wrong(
            line,
            key,
            "does not lie on this machine; name a folder or .zip with a bootstrap",
        )),
    }
}

fn common(
    scope: &Scope<'_>,
    resource: &Resource,
    section: &Section<'_, '_>,
    base: &Path,
    code: &str,
) -> Outcome<Function> {
    let name = reference(scope, resource, section)?;
    if let Some(At { value, line }) = section.text("PackageType")?
        && value != "Zip"
    {
        return Err(section.wrong(line, "PackageType", &format!("is {value}; only Zip is supported")));
    }
    section.refuse("Layers", "are not supported yet; put what they hold into the function's folder")?;
    let runtime = section.required_text("Runtime")?;
    if !runtime.value.starts_with("provided") {
        let what = format!(
            "is {}, which is not supported yet; use provided.al2023 with an executable bootstrap",
            runtime.value
        );
        return Err(section.wrong(runtime.line, "Runtime", &what));
    }
    let timeout_secs =
        section.number("Timeout", TIMEOUT_SECS_MIN..=limits::FUNCTION_TIMEOUT_MAX.as_secs())?;
    let memory_mb =
        section.number("MemorySize", MEMORY_MB_MIN..=u64::from(limits::FUNCTION_MEMORY_MB_MAX))?;
    let environment = match section.section("Environment")? {
        None => Default::default(),
        Some(environment) => {
            let variables = environment.texts("Variables")?;
            environment.finish(&[]);
            variables
        }
    };
    Ok(Function {
        logical_id: resource.logical_id.clone(),
        arn: arn_of(scope, "lambda", &format!("function:{name}")),
        name,
        // `components` drops the trailing slash and every `.`, so that the path reads well in a log.
        code: base.join(code).components().collect(),
        handler: section.text("Handler")?.map(|handler| handler.value).unwrap_or_default(),
        runtime: runtime.value,
        timeout: timeout_secs.map_or(limits::FUNCTION_TIMEOUT_DEFAULT, Duration::from_secs),
        memory_mb: memory_mb
            .map_or(limits::FUNCTION_MEMORY_MB_DEFAULT, |mb| u32::try_from(mb).unwrap_or(u32::MAX)),
        environment,
        line: resource.line,
    })
}

fn reference(scope: &Scope<'_>, resource: &Resource, section: &Section<'_, '_>) -> Outcome<String> {
    let name = super::reference(scope, resource)?;
    let named = section.text("FunctionName")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match named {
        Some(At { line, .. })
            if name.is_empty()
                || name.len() > super::FUNCTION_NAME_CHARS_MAX
                || !name.chars().all(allowed) =>
        {
            let what =
                format!("is {name:?}; a name has 1 to {} of A-Za-z0-9-_", super::FUNCTION_NAME_CHARS_MAX);
            Err(section.wrong(line, "FunctionName", &what))
        }
        _ => Ok(name),
    }
}
