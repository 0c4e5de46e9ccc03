use std::{path::PathBuf, time::Duration};

use dunlin_events::limits;

use super::{Context, FUNCTION_NAME_CHARS_MAX, Type, function_arn, owned};
use crate::{
    Function, LogFormat, LogLevel, Logging,
    error::Outcome,
    resolve::Resource,
    section::{At, Section},
};

/// Properties that change nothing about what the function does here.
const HARMLESS: [&str; 23] = [
    "Architectures",
    "AssumeRolePolicyDocument",
    "AutoPublishAlias",
    "AutoPublishAliasAllProperties",
    "AutoPublishCodeSha256",
    "CodeSigningConfigArn",
    "Description",
    "EphemeralStorage",
    "KmsKeyArn",
    "PermissionsBoundary",
    "Policies",
    "PropagateTags",
    "RecursiveLoop",
    "Role",
    "RolePath",
    "RuntimeManagementConfig",
    "SnapStart",
    "SourceKMSKeyArn",
    "Tags",
    "Tracing",
    "TracingConfig",
    "VersionDeletionPolicy",
    "VersionDescription",
];

/// Smallest timeout of a function, in seconds: the service's limit.
const TIMEOUT_SECS_MIN: u64 = 1;

/// An `AWS::Serverless::Function`, or an `AWS::Lambda::Function` whose `Code` is a local path, as it is before packaging.
pub(super) fn read(context: &Context<'_>, resource: &Resource) -> Outcome<Function> {
    let section = context.section(resource);
    let code_key = if resource.kind == Type::ServerlessFunction { "CodeUri" } else { "Code" };
    section.refuse(
        "InlineCode",
        "is not supported; put an executable bootstrap in a folder and name it in CodeUri",
    )?;
    section.refuse("ImageUri", "is not supported; functions run as processes, not as containers")?;
    let code = code(context, &section, code_key)?;
    check_name(&section, &resource.name)?;
    context.check_name(&[Type::ServerlessFunction, Type::LambdaFunction], resource)?;
    if let Some(At { value, at }) = section.text("PackageType")?
        && value != "Zip"
    {
        return Err(section.wrong(at, "PackageType", &format!("is {value}; only Zip is supported")));
    }
    section.refuse("Layers", "are not supported yet; put what they hold into the function's folder")?;
    let runtime = section.required_text("Runtime")?;
    if !runtime.value.starts_with("provided") {
        let what = format!(
            "is {}, which is not supported yet; use provided.al2023 with an executable bootstrap",
            runtime.value
        );
        return Err(section.wrong(runtime.at, "Runtime", &what));
    }
    let timeout_secs =
        section.number("Timeout", TIMEOUT_SECS_MIN..=limits::FUNCTION_TIMEOUT_MAX.as_secs())?;
    let memory = u64::from(limits::FUNCTION_MEMORY_MB_MIN)..=u64::from(limits::FUNCTION_MEMORY_MB_MAX);
    let memory_mb = section.number("MemorySize", memory)?;
    let environment = match section.section("Environment")? {
        None => Default::default(),
        Some(environment) => {
            let variables = environment.texts("Variables")?;
            environment.finish(&[]);
            variables
        }
    };
    let concurrency = section.number("ReservedConcurrentExecutions", 0..=u64::from(u32::MAX))?;
    let function = Function {
        logical_id: resource.logical_id.clone(),
        arn: function_arn(context.settings, &resource.name),
        name: resource.name.clone(),
        code,
        handler: owned(section.text("Handler")?).unwrap_or_default(),
        runtime: runtime.value.to_owned(),
        timeout: timeout_secs.map_or(limits::FUNCTION_TIMEOUT_DEFAULT, Duration::from_secs),
        memory_mb: memory_mb.map_or(limits::FUNCTION_MEMORY_MB_DEFAULT, small),
        environment,
        reserved_concurrency: concurrency.map(small),
        event_retries: limits::ASYNC_RETRIES_MAX,
        event_age_max: limits::ASYNC_EVENT_AGE_MAX,
        on_success: None,
        on_failure: None,
        dead_letters: dead_letters(context, &section)?,
        logging: logging(&section, &resource.name)?,
        at: context.place(resource.at),
    };
    section.finish(&HARMLESS);
    Ok(function)
}

/// Numbers that were checked against a smaller limit.
fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn code(context: &Context<'_>, section: &Section<'_>, key: &'static str) -> Outcome<PathBuf> {
    let Some(At { value, at }) = section.value(key)? else { return Err(section.missing(key)) };
    match value.as_text() {
        Some(path) if !path.contains("://") && !path.contains('\0') => {
            // `components` drops the trailing slash and every `.`, so that the path reads well in a log.
            Ok(context.sources.get(at.source).folder.join(path).components().collect())
        }
        _ => Err(section.wrong(
            at,
            key,
            "does not lie on this machine; name a folder or .zip with a bootstrap",
        )),
    }
}

fn check_name(section: &Section<'_>, name: &str) -> Outcome<()> {
    let Some(At { at, .. }) = section.text("FunctionName")? else { return Ok(()) };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || name.len() > FUNCTION_NAME_CHARS_MAX || !name.chars().all(allowed) {
        let what = format!("is {name:?}; a name has 1 to {FUNCTION_NAME_CHARS_MAX} of A-Za-z0-9-_");
        return Err(section.wrong(at, "FunctionName", &what));
    }
    Ok(())
}

/// `DeadLetterQueue` as SAM calls it, `DeadLetterConfig` as CloudFormation does.
fn dead_letters(context: &Context<'_>, section: &Section<'_>) -> Outcome<Option<String>> {
    let own = match section.section("DeadLetterQueue")? {
        Some(own) => Some(own),
        None => section.section("DeadLetterConfig")?,
    };
    let Some(own) = own else { return Ok(None) };
    let target = own.required_text("TargetArn")?;
    own.finish(&["Type"]);
    Ok(destination(context, section, target))
}

/// The ARN `target`, if something gets it there: a queue, or a function of the stack. Others are noted.
pub(super) fn destination(context: &Context<'_>, section: &Section<'_>, target: At<&str>) -> Option<String> {
    match target.value.split(':').nth(2) {
        Some("sqs") => Some(target.value.to_owned()),
        Some("lambda") if context.function_named(target.value).is_some() => Some(target.value.to_owned()),
        service => {
            let service = service.unwrap_or("text");
            section.note(target.at, &format!("a destination of kind {service} gets nothing here"));
            None
        }
    }
}

fn logging(section: &Section<'_>, function: &str) -> Outcome<Logging> {
    let log_group = format!("/aws/lambda/{function}");
    let none = Logging { format: LogFormat::Text, application_level: None, system_level: None, log_group };
    let Some(own) = section.section("LoggingConfig")? else { return Ok(none) };
    let format = match own.text("LogFormat")? {
        None | Some(At { value: "Text", .. }) => LogFormat::Text,
        Some(At { value: "JSON", .. }) => LogFormat::Json,
        Some(At { value, at }) => {
            return Err(own.wrong(at, "LogFormat", &format!("is {value}; it must be Text or JSON")));
        }
    };
    let level = |key: &'static str, known: &[LogLevel]| {
        let Some(At { value, at }) = own.text(key)? else { return Ok(None) };
        if format == LogFormat::Text {
            return Err(own.wrong(at, key, "works with LogFormat JSON only"));
        }
        match known.iter().find(|level| level.as_str() == value) {
            Some(level) => Ok(Some(*level)),
            None => {
                let names: Vec<_> = known.iter().map(|level| level.as_str()).collect();
                Err(own.wrong(at, key, &format!("is {value}; it must be one of {}", names.join(", "))))
            }
        }
    };
    use LogLevel::{Debug, Error, Fatal, Info, Trace, Warn};
    let application_level = level("ApplicationLogLevel", &[Trace, Debug, Info, Warn, Error, Fatal])?;
    let system_level = level("SystemLogLevel", &[Debug, Info, Warn])?;
    let log_group = owned(own.text("LogGroup")?).unwrap_or(none.log_group);
    own.finish(&[]);
    Ok(Logging { format, application_level, system_level, log_group })
}
