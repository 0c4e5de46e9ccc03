//! Updates that reach nobody end where notify's template says.

use std::{fs, time::Duration};

use rustix::fs::inotify;
use serde_json::{Value, json};

use crate::{
    client::{Client, Device},
    stack::{Stack, notify_after, readable_within},
};

/// The attempts are one and two seconds apart; a busy machine takes longer to start three processes.
const LETTER_TIMEOUT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn an_update_whose_function_fails_three_times_is_kept_as_it_came() {
    let (_folder, template) = notify_after("[ \"$_HANDLER\" = notify_parameter ] && exit 1");
    let data = tempfile::tempdir().unwrap();
    // The queue is a file that is made for its first letter.
    let queues = data.path().join("queues");
    fs::create_dir_all(&queues).unwrap();

    let stack = Stack::up(&template, &["--data", data.path().to_str().unwrap()]);
    let written = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
    inotify::add_watch(&written, &queues, inotify::WatchFlags::MODIFY).unwrap();
    let (mut client, device) = (Client::connect(&stack).await, Device::connect(&stack).await);
    client.follow(&["dev-1"]).await;
    device.update("dev-1", 1, 21.5).await;

    assert!(readable_within(&written, LETTER_TIMEOUT), "no dead letter within {LETTER_TIMEOUT:?}");
    let letters = fs::read_to_string(queues.join("dunlin-DeadLetterQueue.jsonl")).unwrap();
    let letter: Value = serde_json::from_str(letters.lines().next().unwrap()).unwrap();
    let body: Value = serde_json::from_str(letter["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(body["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(body["requestPayload"]["device_id"], "dev-1");
    assert_eq!(body["requestPayload"]["payload"], json!({"value": {"t": 21.5}}));
    client.assert_silent().await;
}
