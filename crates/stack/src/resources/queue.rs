use super::{Context, QUEUE_NAME_CHARS_MAX, Type, account, identity};
use crate::{Queue, error::Outcome, resolve::Resource, section::At};

/// Properties of a queue that a file does not have: it keeps what it gets, and nobody receives from it.
const HARMLESS: [&str; 14] = [
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "Tags",
    "VisibilityTimeout",
];

/// An `AWS::SQS::Queue`.
pub(super) fn read(context: &Context<'_>, resource: &Resource) -> Outcome<Queue> {
    let section = context.section(resource);
    let name = &resource.name;
    let fifo = section.flag("FifoQueue")?.unwrap_or(false);
    if let Some(At { at, .. }) = section.text("QueueName")? {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let stem = if fifo { name.strip_suffix(".fifo").unwrap_or("") } else { name };
        if stem.is_empty() || name.len() > QUEUE_NAME_CHARS_MAX || !stem.chars().all(allowed) {
            let end = if fifo { " and ends with .fifo" } else { "" };
            let what = format!("is {name:?}; a name has 1 to {QUEUE_NAME_CHARS_MAX} of A-Za-z0-9-_{end}");
            return Err(section.wrong(at, "QueueName", &what));
        }
    }
    context.check_name(&[Type::Queue], resource)?;
    section.finish(&HARMLESS);
    Ok(Queue {
        logical_id: resource.logical_id.clone(),
        arn: identity::attribute(&resource.type_name, name, "Arn", account(context.settings)),
        url: resource.reference.clone(),
        name: name.clone(),
        at: context.place(resource.at),
    })
}
