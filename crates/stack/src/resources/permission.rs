use super::{function_named, properties};
use crate::{Function, Permission, arn, error::Outcome, scope::Scope, section::At, template::Resource};

/// An `AWS::Lambda::Permission`; none if it grants nothing that the local stack does.
pub(super) fn plain(
    scope: &Scope<'_>,
    resource: &Resource,
    functions: &[Function],
) -> Outcome<Option<Permission>> {
    let section = properties(scope, resource);
    let At { value: named, line } = section.required_text("FunctionName")?;
    let function = function_named(functions, &named).ok_or_else(|| {
        section.wrong(line, "FunctionName", &format!("is {named}, which is not a function of this template"))
    })?;
    let action = section.required_text("Action")?;
    let principal = section.required_text("Principal")?.value;
    let source_arn = section.text("SourceArn")?.map(|arn| arn.value);
    let account = section.text("SourceAccount")?;
    section.finish(&[]);
    // Matched as the service matches actions: `lambda:InvokeFunction`, `lambda:*`, `*`.
    let invokes = arn::matches(&action.value, "lambda:InvokeFunction");
    let own_account = account.is_none_or(|account| account.value == scope.settings().account_id);
    if !invokes || !own_account {
        scope.note(
            resource.line,
            "a permission does not let this account invoke anything",
            &resource.logical_id,
        );
        return Ok(None);
    }
    Ok(Some(Permission { function: function.name.clone(), principal, source_arn }))
}
