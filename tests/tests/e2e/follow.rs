//! The notify app: following devices.

use serde_json::json;

use crate::{
    client::{Client, Device, push},
    stack::Stack,
};

#[tokio::test]
async fn a_follower_of_two_devices_gets_each_ones_updates_and_no_others() {
    let stack = Stack::notify();
    let (mut client, device) = (Client::connect(&stack).await, Device::connect(&stack).await);
    let (reply, pushes) = client.follow(&["dev-1", "dev-2"]).await;
    assert_eq!(
        reply,
        json!({"type": "notify_list", "device_ids": ["dev-1", "dev-2"], "added": ["dev-1", "dev-2"], "removed": []})
    );
    assert!(pushes.is_empty());

    device.update("dev-1", 1, 21.5).await;
    assert_eq!(client.json().await, push("dev-1", 1, 21.5));

    device.update("dev-1", 2, 22.0).await;
    device.update("dev-2", 1, 3.0).await;
    let mut both = [client.json().await, client.json().await];
    both.sort_by_key(|push| push["device_id"].to_string());
    assert_eq!(both, [push("dev-1", 2, 22.0), push("dev-2", 1, 3.0)]);

    // Neither: an update of a third device reaches its own follower and not this client.
    let mut witness = Client::connect(&stack).await;
    witness.follow(&["dev-3"]).await;
    device.update("dev-3", 1, 0.5).await;
    assert_eq!(witness.json().await, push("dev-3", 1, 0.5));
    client.assert_silent().await;
}

#[tokio::test]
async fn replacing_the_list_drops_what_is_not_in_the_new_one() {
    let stack = Stack::notify();
    let (mut client, device) = (Client::connect(&stack).await, Device::connect(&stack).await);
    client.follow(&["dev-1", "dev-2"]).await;
    let (reply, _) = client.follow(&["dev-2", "dev-3"]).await;
    assert_eq!(
        reply,
        json!({"type": "notify_list", "device_ids": ["dev-2", "dev-3"], "added": ["dev-3"], "removed": ["dev-1"]})
    );
    let mut witness = Client::connect(&stack).await;
    witness.follow(&["dev-1"]).await;
    device.update("dev-1", 1, 1.0).await;
    assert_eq!(witness.json().await, push("dev-1", 1, 1.0));
    client.assert_silent().await;
    device.update("dev-3", 1, 1.0).await;
    assert_eq!(client.json().await, push("dev-3", 1, 1.0));

    let (reply, _) = client.follow(&[]).await;
    assert_eq!(
        reply,
        json!({"type": "notify_list", "device_ids": [], "added": [], "removed": ["dev-2", "dev-3"]})
    );
}

#[tokio::test]
async fn a_new_follower_gets_the_last_value_and_an_older_version_reaches_nobody() {
    let stack = Stack::notify();
    let device = Device::connect(&stack).await;
    let mut first = Client::connect(&stack).await;
    first.follow(&["dev-1"]).await;
    device.update("dev-1", 7, 21.5).await;
    assert_eq!(first.json().await, push("dev-1", 7, 21.5));

    let mut second = Client::connect(&stack).await;
    let (_, mut pushes) = second.follow(&["dev-1"]).await;
    if pushes.is_empty() {
        pushes.push(second.json().await);
    }
    assert_eq!(pushes, [push("dev-1", 7, 21.5)]);

    device.update("dev-1", 6, 1.0).await;
    device.update("dev-1", 8, 22.5).await;
    for client in [&mut first, &mut second] {
        assert_eq!(client.json().await, push("dev-1", 8, 22.5));
        client.assert_silent().await;
    }
}

#[tokio::test]
async fn an_update_without_a_version_is_versioned_by_its_time() {
    let stack = Stack::notify();
    let (mut client, device) = (Client::connect(&stack).await, Device::connect(&stack).await);
    client.follow(&["dev-1"]).await;
    device.publish("dev-1", r#"{"payload":{"value":"on"}}"#).await;
    let push = client.json().await;
    assert_eq!(push["value"], "on");
    let year_2020_ms = 1_577_836_800_000;
    assert!(push["version"].as_u64().unwrap() > year_2020_ms, "{push}");
}

#[tokio::test]
async fn a_closed_connection_is_forgotten_and_the_others_are_served() {
    let stack = Stack::notify();
    let device = Device::connect(&stack).await;
    let (mut stays, mut leaves) = (Client::connect(&stack).await, Client::connect(&stack).await);
    stays.follow(&["dev-1"]).await;
    leaves.follow(&["dev-1"]).await;
    leaves.close().await;
    for version in 1..=3 {
        device.update("dev-1", version, 1.0).await;
        assert_eq!(stays.json().await, push("dev-1", version, 1.0));
    }
}
