use super::{Context, owned};
use crate::{Permission, arn, error::Outcome, resolve::Resource, section::At};

/// An `AWS::Lambda::Permission`; none if it grants nothing that the local stack does.
pub(super) fn read(context: &Context<'_>, resource: &Resource) -> Outcome<Option<Permission>> {
    let section = context.section(resource);
    let At { value: named, at } = section.required_text("FunctionName")?;
    let function = context.function_named(named).ok_or_else(|| {
        section.wrong(at, "FunctionName", &format!("is {named}, which is not a function of this template"))
    })?;
    let action = section.required_text("Action")?;
    let principal = section.required_text("Principal")?.value.to_owned();
    let source_arn = owned(section.text("SourceArn")?);
    let account = section.text("SourceAccount")?;
    section.finish(&[]);
    // Matched as the service matches actions: `lambda:InvokeFunction`, `lambda:*`, `*`.
    let invokes = arn::matches(action.value, "lambda:InvokeFunction");
    let own_account = account.is_none_or(|account| account.value == context.settings.account_id);
    if !invokes || !own_account {
        let text = "a permission does not let this account invoke anything";
        context.note(resource.at, text, &resource.logical_id);
        return Ok(None);
    }
    Ok(Some(Permission { function: function.to_owned(), principal, source_arn }))
}
