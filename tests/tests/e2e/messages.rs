//! The notify app: each kind of bad message, and what its sender reads.

use serde_json::{Value, json};

use crate::{client::Client, stack::Stack};

/// Sends `message` and checks the code of the error that comes back; the connection goes on.
async fn check_error(client: &mut Client, message: impl Into<String>, code: &str) -> Value {
    client.send(message).await;
    let reply = client.json().await;
    assert_eq!(reply["type"], "error", "{reply}");
    assert_eq!(reply["error"]["code"], code, "{reply}");
    assert!(!reply["error"]["message"].as_str().unwrap().is_empty());
    assert_eq!(reply["error"]["requestId"].as_str().unwrap().len(), 16, "{reply}");
    reply
}

#[tokio::test]
async fn every_bad_message_has_its_error() {
    let stack = Stack::notify();
    let mut client = Client::connect(&stack).await;
    let list = |devices: Value| json!({"action": "set_notify_list", "device_ids": devices}).to_string();
    let client = &mut client;

    check_error(client, r#"{"action":"fly"}"#, "unknown_action").await;
    check_error(client, r#"{"no":"action"}"#, "unknown_action").await;
    check_error(client, "not json", "invalid_body").await;
    check_error(client, "", "invalid_body").await;
    let reply = check_error(client, r#"{"action":"set_notify_list"}"#, "invalid_body").await;
    assert!(
        reply["error"]["message"].as_str().unwrap().contains("device_ids"),
        "the field is named: {reply}"
    );
    check_error(client, list(json!("dev-1")), "invalid_body").await;
    check_error(client, list(json!([1, 2])), "invalid_body").await;
    check_error(client, list(json!(["dev 1"])), "invalid_device_id").await;
    check_error(client, list(json!([""])), "invalid_device_id").await;
    check_error(client, list(json!(["a/b"])), "invalid_device_id").await;
    check_error(client, list(json!(["x".repeat(129)])), "invalid_device_id").await;
    let many: Vec<String> = (0..101).map(|n| format!("dev-{n}")).collect();
    check_error(client, list(json!(many)), "too_many_devices").await;

    let (reply, _) = client.follow(&["dev-1"]).await;
    assert_eq!(reply["added"], json!(["dev-1"]), "the connection goes on and nothing was followed before");
    let longest = "x".repeat(128);
    let hundred: Vec<&str> = std::iter::repeat_n(longest.as_str(), 100).collect();
    let (reply, _) = client.follow(&hundred).await;
    assert_eq!(reply["device_ids"], json!([longest]), "the same device a hundred times is one");
}
