//! `set_notify_list`.

use std::{collections::HashSet, sync::Arc};

use dunlin_connection_store::{
    ConnectionStore, Replacement, StoreError, StoreErrorKind, TOPICS_PER_CONNECTION_MAX, Timestamp, Topic,
};
use dunlin_events::device::{DEVICE_ID_CHARS_MAX, is_device_id};
use dunlin_handler::{Connection, Deadline, HandlerError, Json, State};
use dunlin_management::ManagementClient;

use crate::{App, app, connection, last_values, wire};

/// Replaces the list of devices that the connection follows, pushes the last known value of each that is new, and
/// answers with what changed.
pub(crate) async fn set_notify_list<S: ConnectionStore, M: ManagementClient>(
    State(app): State<Arc<App<S, M>>>,
    connection: Connection,
    deadline: Deadline,
    Json(message): Json<wire::SetNotifyList>,
) -> Result<Json<wire::NotifyList>, HandlerError> {
    let deadline = app::deadline(deadline);
    let devices = devices(message.device_ids)?;
    let now = app.now();
    let replacement = replace(app.store(), &connection, &devices, now).await?;
    // The rows are written: an update from here on finds this connection, and one from before is in the heads.
    last_values::push(&app, &connection, &replacement.added, now, deadline).await?;
    Ok(Json(wire::NotifyList {
        device_ids: replacement.topics,
        added: replacement.added,
        removed: replacement.removed,
    }))
}

/// The devices of a list, each once, in the order of the message.
fn devices(device_ids: Vec<String>) -> Result<Vec<Topic>, HandlerError> {
    let mut seen = HashSet::new();
    let mut devices = Vec::new();
    for (index, id) in device_ids.into_iter().enumerate() {
        let device: Topic =
            Some(&id).filter(|id| is_device_id(id)).and_then(|id| id.parse().ok()).ok_or_else(|| {
                let rule =
                    format!("1 to {DEVICE_ID_CHARS_MAX} characters of A-Z a-z 0-9 _ : . - are expected");
                HandlerError::new("invalid_device_id", format!("device_ids[{index}] is no device id: {rule}"))
            })?;
        if seen.insert(device.clone()) {
            devices.push(device);
        }
    }
    if devices.len() > TOPICS_PER_CONNECTION_MAX {
        return Err(HandlerError::new(
            "too_many_devices",
            format!(
                "device_ids names {} devices; a list has at most {TOPICS_PER_CONNECTION_MAX}",
                devices.len()
            ),
        ));
    }
    Ok(devices)
}

/// Replaces the list of a connection, remembering the connection anew if the store does not know it.
///
/// A message proves that its connection was made. The store may have lost it all the same: pruned when a post during
/// the handshake answered 410 (fact C8), or removed by a `$disconnect` that overtook this message (fact T8). Refusing would leave a
/// live client without updates; a row for a dead one costs one post, whose 410 prunes it, and expires anyway.
async fn replace<S: ConnectionStore>(
    store: &S,
    connection: &Connection,
    devices: &[Topic],
    now: Timestamp,
) -> Result<Replacement, StoreError> {
    match store.replace_topics(&connection.id, devices, now).await {
        Err(error) if error.kind() == StoreErrorKind::UnknownConnection => {
            tracing::info!("connection added by its message");
            store.add(&connection::stored(connection, now)).await?;
            store.replace_topics(&connection.id, devices, now).await
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ids: &[&str], expected: Result<&[&str], (&str, &str)>) {
        let found = devices(ids.iter().map(|id| (*id).to_owned()).collect());
        match (found, expected) {
            (Ok(found), Ok(expected)) => {
                assert_eq!(found.iter().map(Topic::as_str).collect::<Vec<_>>(), expected);
            }
            (Err(found), Err(expected)) => assert_eq!((found.code(), found.message()), expected),
            (found, expected) => panic!("{found:?} in place of {expected:?}"),
        }
    }

    #[test]
    fn lists_are_bounded_and_their_ids_checked() {
        check(&[], Ok(&[]));
        check(&["b", "a", "b"], Ok(&["b", "a"]));
        let rule = "device_ids[1] is no device id: 1 to 128 characters of A-Z a-z 0-9 _ : . - are expected";
        for bad in ["", "a/b", "a b", "dév", "#", &"x".repeat(129)] {
            check(&["a", bad], Err(("invalid_device_id", rule)));
        }
        let many: Vec<_> = (0..101).map(|number| format!("dev-{number}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        check(&many[..100], Ok(&many[..100]));
        check(&many, Err(("too_many_devices", "device_ids names 101 devices; a list has at most 100")));
        // Duplicates are one device.
        check(&[many[..100].to_vec(), vec!["dev-0"]].concat(), Ok(&many[..100]));
    }
}
