//! `AWS::Lambda::EventInvokeConfig`: what happens to asynchronous invocations of a function that is declared elsewhere.

use std::time::Duration;

use dunlin_events::limits;

use super::{Context, Type, function};
use crate::{
    Function,
    error::Outcome,
    resolve::Resource,
    section::{At, Section},
};

/// Smallest `MaximumEventAgeInSeconds`: the service's limit.
const EVENT_AGE_SECS_MIN: u64 = 60;

/// Gives each configuration to its function.
pub(super) fn apply(context: &Context<'_>, functions: &mut [Function]) {
    let mut configured = Vec::new();
    for resource in context.of_type(Type::InvokeConfig) {
        context.findings.keep(read(context, resource, functions, &mut configured));
    }
}

fn read(
    context: &Context<'_>,
    resource: &Resource,
    functions: &mut [Function],
    configured: &mut Vec<(String, String)>,
) -> Outcome<()> {
    let section = context.section(resource);
    let named = section.required_text("FunctionName")?;
    let name = context.function_named(named.value).ok_or_else(|| {
        let what = format!("is {}, which is not a function of this template", named.value);
        section.wrong(named.at, "FunctionName", &what)
    })?;
    // Versions and aliases are all the one function here.
    let qualifier = section.required_text("Qualifier")?;
    if let Some((_, other)) = configured.iter().find(|(function, _)| function == name) {
        let what = format!("is {name}, which {other} configures already; remove one");
        return Err(section.wrong(named.at, "FunctionName", &what));
    }
    if qualifier.value != "$LATEST" {
        section
            .note(qualifier.at, "a configuration of one version or alias counts for the function as a whole");
    }
    configured.push((name.to_owned(), resource.logical_id.clone()));
    let retries = section.number("MaximumRetryAttempts", 0..=u64::from(limits::ASYNC_RETRIES_MAX))?;
    let age = EVENT_AGE_SECS_MIN..=limits::ASYNC_EVENT_AGE_MAX.as_secs();
    let age_secs = section.number("MaximumEventAgeInSeconds", age)?;
    let (on_success, on_failure) = match section.section("DestinationConfig")? {
        None => (None, None),
        Some(own) => {
            let found = (target(context, &own, "OnSuccess")?, target(context, &own, "OnFailure")?);
            own.finish(&[]);
            found
        }
    };
    section.finish(&[]);
    // Absent if the function itself is at fault, which is told.
    if let Some(function) = functions.iter_mut().find(|function| function.name == name) {
        if let Some(retries) = retries {
            function.event_retries = u32::try_from(retries).unwrap_or(limits::ASYNC_RETRIES_MAX);
        }
        if let Some(secs) = age_secs {
            function.event_age_max = Duration::from_secs(secs);
        }
        function.on_success = on_success;
        function.on_failure = on_failure;
    }
    Ok(())
}

fn target(context: &Context<'_>, section: &Section<'_>, key: &'static str) -> Outcome<Option<String>> {
    let Some(own) = section.section(key)? else { return Ok(None) };
    let At { value, at } = own.required_text("Destination")?;
    // SAM's name for the kind, which the ARN says too.
    own.finish(&["Type"]);
    Ok(function::destination(context, section, At { value, at }))
}
