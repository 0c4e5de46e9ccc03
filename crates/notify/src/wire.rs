//! The messages of the contract, but for errors, which are the handler crate's.

use dunlin_connection_store::Topic;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// `{"action":"set_notify_list","device_ids":[..]}`; the action has done its work when this is read.
#[derive(Debug, Deserialize)]
pub(crate) struct SetNotifyList {
    pub(crate) device_ids: Vec<String>,
}

/// The answer to it.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "notify_list")]
pub(crate) struct NotifyList {
    pub(crate) device_ids: Vec<Topic>,
    pub(crate) added: Vec<Topic>,
    pub(crate) removed: Vec<Topic>,
}

/// What the topic rule makes of a device's message; other keys of the message are its own.
#[derive(Debug, Deserialize)]
pub(crate) struct UpdateEvent {
    pub(crate) device_id: String,
    pub(crate) version: Option<u64>,
    pub(crate) received_at: Option<u64>,
    pub(crate) payload: UpdatePayload,
}

/// The device's own part.
#[derive(Debug, Deserialize)]
pub(crate) struct UpdatePayload {
    pub(crate) value: Box<RawValue>,
}

/// The push.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "parameters")]
pub(crate) struct Parameters<'a> {
    pub(crate) device_id: &'a Topic,
    pub(crate) version: u64,
    pub(crate) value: &'a RawValue,
}
