//! Many clients at once.

use std::{
    collections::HashSet,
    process::{Command, Stdio},
};

use futures_util::future::join_all;

use crate::{
    client::{Client, Device},
    stack::{Stack, probe, up_command},
};

const FOLLOWERS: usize = 600;
const UPDATES: u64 = 5;
/// Handshakes at once: below the environments of one function, so that none is throttled.
const CONNECTING_MAX: usize = 20;

/// A shell's limit of open files is not the stack's, as long as it may be raised.
#[tokio::test]
async fn more_clients_connect_than_the_shell_allows_open_files() {
    const OPEN_FILES: usize = 64;
    let (_folder, template) = probe();
    let up = up_command(&template);
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!(r#"ulimit -Sn {OPEN_FILES} && exec "$0" "$@""#));
    command.arg(up.get_program()).args(up.get_args()).stdin(Stdio::null());
    command.envs(up.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let stack = Stack::start(command);
    let mut clients = Vec::new();
    for _ in 0..2 * OPEN_FILES {
        clients.push(Client::connect(&stack).await);
    }
    for client in &mut clients {
        client.send(r#"{"action":"echo"}"#).await;
        assert_eq!(client.text().await, r#"{"action":"echo"}"#);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_follower_ends_with_the_last_version_and_sees_none_twice() {
    let stack = Stack::notify();
    let device = Device::connect(&stack).await;
    let mut followers = Vec::with_capacity(FOLLOWERS);
    while followers.len() < FOLLOWERS {
        let batch = (0..CONNECTING_MAX).map(|_| async {
            let mut client = Client::connect(&stack).await;
            client.follow(&["dev-1"]).await;
            client
        });
        followers.extend(join_all(batch).await);
    }
    for version in 1..=UPDATES {
        device.update("dev-1", version, 1.0).await;
    }
    let last_seen = join_all(followers.iter_mut().map(|client| async {
        let mut seen = HashSet::new();
        // A pass that an update overtakes may push its version late, and an update older than the head is not pushed at
        // all: what is promised is the last version, and no version twice.
        while !seen.contains(&UPDATES) {
            let version = client.json().await["version"].as_u64().unwrap();
            assert!(seen.insert(version), "version {version} came twice");
        }
        seen
    }))
    .await;
    // What is still on its way is none that was seen.
    let rest = followers.iter_mut().zip(last_seen).map(|(client, mut seen)| async move {
        client.send(r#"{"action":"end"}"#).await;
        loop {
            let message = client.json().await;
            let Some(version) = message["version"].as_u64() else { break };
            assert!(seen.insert(version), "version {version} came twice");
        }
    });
    join_all(rest).await;
}
