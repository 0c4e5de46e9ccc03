//! The management API: one suite for both clients against the gateway, and strangers.

use std::io::{Read, Write};

use dunlin_events::{ConnectionId, limits::MESSAGE_BYTES_MAX};
use dunlin_management::{DeleteOutcome, ManagementClient, ManagementErrorKind, PostOutcome};
use dunlin_management_aws::{ClientConfig, Credentials, LeanManagementClient, SdkManagementClient};

use crate::{
    client::{Client, STEP_TIMEOUT},
    stack::{Stack, authority, probe},
};

fn operator(stack: &Stack) -> ClientConfig {
    signed(stack, stack.text("secret_access_key"))
}

fn signed(stack: &Stack, secret: &str) -> ClientConfig {
    let credentials = Credentials::new(stack.text("access_key_id"), secret, None, None, "ready file");
    ClientConfig::new(stack.api("management"), stack.text("region"), credentials).unwrap()
}

async fn connect(stack: &Stack) -> (Client, ConnectionId) {
    let mut client = Client::connect(stack).await;
    client.send(r#"{"action":"whoami"}"#).await;
    let id = client.text().await.parse().unwrap();
    (client, id)
}

/// Every outcome of the three calls (facts C2, C3, C11, C12).
async fn suite(stack: &Stack, management: impl ManagementClient, stranger: impl ManagementClient) {
    let (mut client, id) = connect(stack).await;
    assert_eq!(management.post(&id, "hello".into()).await.unwrap(), PostOutcome::Delivered);
    assert_eq!(client.text().await, "hello");

    let several_frames = "é".repeat(40_000);
    assert_eq!(management.post(&id, several_frames.clone().into()).await.unwrap(), PostOutcome::Delivered);
    assert_eq!(client.text().await, several_frames);

    let too_large = vec![b'x'; MESSAGE_BYTES_MAX + 1];
    let error = management.post(&id, too_large.into()).await.unwrap_err();
    assert_eq!(error.kind(), ManagementErrorKind::TooLarge);
    assert_eq!(stranger.post(&id, "hello".into()).await.unwrap_err().kind(), ManagementErrorKind::Forbidden);

    let info = management.get(&id).await.unwrap().expect("the connection is there");
    assert!(info.source_ip.unwrap().is_loopback());
    assert!(info.last_active_at >= info.connected_at);

    let nobody: ConnectionId = "Zk3pQdXMDoECEeg=".parse().unwrap();
    assert_eq!(management.post(&nobody, "hello".into()).await.unwrap(), PostOutcome::Gone);
    assert_eq!(management.get(&nobody).await.unwrap(), None);
    let malformed: ConnectionId = "abc".parse().unwrap();
    let error = management.post(&malformed, "hello".into()).await.unwrap_err();
    assert_eq!(error.kind(), ManagementErrorKind::InvalidConnection);

    assert_eq!(management.delete(&id).await.unwrap(), DeleteOutcome::Deleted);
    let frame = client.closed().await.expect("a close frame with a code");
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1000, "Connection Closed Normally"));
    assert_eq!(management.delete(&id).await.unwrap(), DeleteOutcome::Gone);
    assert_eq!(management.post(&id, "hello".into()).await.unwrap(), PostOutcome::Gone);
}

#[tokio::test]
async fn the_lean_client_sees_every_outcome() {
    let (_folder, template) = probe();
    let stack = Stack::up(&template, &[]);
    let client = |config| LeanManagementClient::new(config).unwrap();
    suite(&stack, client(operator(&stack)), client(signed(&stack, "not the secret"))).await;
}

#[tokio::test]
async fn the_sdk_client_sees_the_same() {
    let (_folder, template) = probe();
    let stack = Stack::up(&template, &[]);
    let client = |config| SdkManagementClient::new(config).unwrap();
    suite(&stack, client(operator(&stack)), client(signed(&stack, "not the secret"))).await;
}

#[tokio::test]
async fn an_unsigned_call_is_refused() {
    let (_folder, template) = probe();
    let stack = Stack::up(&template, &[]);
    let (_client, id) = connect(&stack).await;
    let host = authority(stack.api("management"));
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(STEP_TIMEOUT)).unwrap();
    let id = id.as_str().replace('=', "%3D");
    write!(stream, "POST /dev/@connections/{id} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}
