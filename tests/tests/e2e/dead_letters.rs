//! Updates that reach nobody end where notify's template says.

use std::{fs, path::Path, time::Duration};

use rustix::fs::inotify;
use serde_json::{Value, json};

use crate::{
    client::{Client, Device},
    stack::{Stack, notify_after, readable_within},
};

/// The attempts are one and two seconds apart; a busy machine takes longer to start three processes.
const LETTER_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs the stack of this template, has a device update what a client follows, and returns the body of the dead letter that
/// becomes of it.
async fn dead_letter(template: &Path) -> Value {
    let data = tempfile::tempdir().unwrap();
    // The queue is a file that is made for its first letter.
    let queues = data.path().join("queues");
    fs::create_dir_all(&queues).unwrap();

    let stack = Stack::up(template, &["--data", data.path().to_str().unwrap()]);
    let written = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
    inotify::add_watch(&written, &queues, inotify::WatchFlags::MODIFY).unwrap();
    let (mut client, device) = (Client::connect(&stack).await, Device::connect(&stack).await);
    client.follow(&["dev-1"]).await;
    device.update("dev-1", 1, 21.5).await;

    assert!(readable_within(&written, LETTER_TIMEOUT), "no dead letter within {LETTER_TIMEOUT:?}");
    let letters = fs::read_to_string(queues.join("dunlin-DeadLetterQueue.jsonl")).unwrap();
    let letter: Value = serde_json::from_str(letters.lines().next().unwrap()).unwrap();
    client.assert_silent().await;
    serde_json::from_str(letter["body"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn an_update_whose_function_fails_three_times_is_kept_as_it_came() {
    let (_folder, template) = notify_after("[ \"$_HANDLER\" = notify_parameter ] && exit 1");
    let body = dead_letter(&template).await;
    assert_eq!(body["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(body["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(body["requestPayload"]["device_id"], "dev-1");
    assert_eq!(body["requestPayload"]["payload"], json!({"value": {"t": 21.5}}));
}

/// S9, S10: the rule's error action is told.
#[tokio::test]
async fn an_update_that_the_rule_may_not_hand_over_is_kept_as_it_came() {
    let (_folder, template) = notify_after("");
    let text = fs::read_to_string(&template).unwrap();
    let permission = "Principal: iot.amazonaws.com\n      SourceArn";
    assert!(text.contains(permission));
    fs::write(&template, text.replace(permission, "Principal: events.amazonaws.com\n      SourceArn"))
        .unwrap();
    let body = dead_letter(&template).await;
    assert_eq!(body["topic"], "devices/dev-1/parameters");
    assert_eq!(body["failures"][0]["failedAction"], "LambdaAction");
    assert_eq!(body["failures"][0]["failedResource"], "dunlin-NotifyParameterFunction");
    let message = body["failures"][0]["errorMessage"].as_str().unwrap();
    assert!(message.starts_with("iot.amazonaws.com may not invoke"), "{message}");
}
