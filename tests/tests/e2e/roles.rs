//! The roles in notify's template against what its functions ask of the table: no more, and no less.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::timeout,
};

use crate::{
    client::{Client, Device, STEP_TIMEOUT},
    stack::{Stack, notify_after, notify_template},
};

/// Each function's handler, and the beginning of its resources' names.
const FUNCTIONS: [(&str, &str); 5] = [
    ("connect", "Connect"),
    ("disconnect", "Disconnect"),
    ("set_notify_list", "SetNotifyList"),
    ("default", "Default"),
    ("notify_parameter", "NotifyParameter"),
];

/// What a role allows for cases that this test does not bring about.
const RARE: [(&str, &str); 3] = [
    // Another list of the same connection came in between, and its rows have to be known.
    ("set_notify_list", "GetItem"),
    // The store has lost the connection, whose message proves that it lives.
    ("set_notify_list", "PutItem"),
    // The connection was gone when the last values were posted to it.
    ("set_notify_list", "DeleteItem"),
];

// The listeners have a thread of their own: starting and ending a stack holds that of the test.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn each_role_allows_what_its_function_does_and_nothing_else() {
    let seen = Arc::new(Seen::default());
    let (_folder, template) = watched(&seen).await;
    let data = tempfile::tempdir().unwrap();
    let options = ["--data", data.path().to_str().unwrap()];

    let stack = seen.up(&template, &options);
    let mut lost = Client::connect(&stack).await;
    lost.follow(&["dev-1"]).await;
    // Nobody tells $disconnect: what the table knows of this client stays until a post finds it gone.
    stack.kill();

    let stack = seen.up(&template, &options);
    let (mut client, device) = (Client::connect(&stack).await, Device::connect(&stack).await);
    client.follow(&["dev-1"]).await;
    client.follow(&["dev-1", "dev-2"]).await;
    client.assert_silent().await;
    let mut version = 0;
    // A connection is pruned once it is two seconds old (C8).
    while !seen.has("notify_parameter", "BatchWriteItem") {
        version += 1;
        device.update("dev-1", version, 21.5).await;
        assert_eq!(client.json().await["version"], version);
    }
    client.close().await;
    // The last thing that it asks for.
    seen.wait_for("disconnect", "DeleteItem").await;

    let text = fs::read_to_string(notify_template()).unwrap();
    for (handler, resource) in FUNCTIONS {
        let mut needed = seen.actions(handler);
        assert_eq!(needed.is_empty(), handler == "default", "{handler} asks the table for {needed:?}");
        needed
            .extend(RARE.iter().filter(|(rare, _)| *rare == handler).map(|(_, action)| (*action).to_owned()));
        assert_eq!(allowed(&text, resource), needed, "the role of {handler}, and what it does");
    }
}

/// The actions on the table that the template allows to a function.
fn allowed(template: &str, resource: &str) -> BTreeSet<String> {
    let start = template.find(&format!("\n  {resource}Role:\n")).unwrap();
    let role = template[start..].split("\n\n").next().unwrap();
    let action = |rest: &str| rest.chars().take_while(char::is_ascii_alphanumeric).collect();
    role.split("dynamodb:").skip(1).map(action).collect()
}

/// A copy of the notify app whose functions reach the table by way of a listener for each handler.
async fn watched(seen: &Arc<Seen>) -> (TempDir, PathBuf) {
    let mut ports = String::new();
    for (handler, _) in FUNCTIONS {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        ports += &format!("{handler}) port={};;\n", listener.local_addr().unwrap().port());
        tokio::spawn(Arc::clone(seen).watch(handler, listener));
    }
    let endpoint = "export AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:$port";
    notify_after(&format!("case \"$_HANDLER\" in\n{ports}esac\n{endpoint}"))
}

/// What each function has asked the table for.
#[derive(Default)]
struct Seen {
    /// Where the table is now.
    table: Mutex<String>,
    actions: Mutex<BTreeMap<&'static str, BTreeSet<String>>>,
    more: Notify,
}

impl Seen {
    /// Starts the stack; no function runs before its first event, which comes later.
    fn up(&self, template: &Path, options: &[&str]) -> Stack {
        let stack = Stack::up(template, options);
        *self.table.lock().unwrap() = stack.text("dynamodb").trim_start_matches("http://").to_owned();
        stack
    }

    fn actions(&self, handler: &str) -> BTreeSet<String> {
        self.actions.lock().unwrap().get(handler).cloned().unwrap_or_default()
    }

    fn has(&self, handler: &str, action: &str) -> bool {
        self.actions(handler).contains(action)
    }

    async fn wait_for(&self, handler: &str, action: &str) {
        let wait = async {
            loop {
                let more = self.more.notified();
                if self.has(handler, action) {
                    return;
                }
                more.await;
            }
        };
        timeout(STEP_TIMEOUT, wait).await.unwrap_or_else(|_| panic!("{handler} never asks for {action}"));
    }

    /// Hands on every connection of one function, and notes what it asks for.
    async fn watch(self: Arc<Self>, handler: &'static str, listener: TcpListener) {
        loop {
            let (function, _) = listener.accept().await.unwrap();
            let seen = Arc::clone(&self);
            tokio::spawn(async move {
                let table = seen.table.lock().unwrap().clone();
                let table = TcpStream::connect(table).await.unwrap();
                for socket in [&function, &table] {
                    socket.set_nodelay(true).unwrap();
                }
                let (mut asked, mut answers) = function.into_split();
                let (mut answered, mut asks) = table.into_split();
                tokio::spawn(async move { copy(&mut answered, &mut answers).await });
                let (mut text, mut part) = (Vec::new(), [0; 4096]);
                while let Ok(read @ 1..) = asked.read(&mut part).await {
                    text.extend_from_slice(&part[..read]);
                    seen.note(handler, &text);
                    if asks.write_all(&part[..read]).await.is_err() {
                        break;
                    }
                }
            });
        }
    }

    /// Every request names its action in the header `x-amz-target: DynamoDB_20120810.PutItem`.
    fn note(&self, handler: &'static str, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        let whole = |rest: &str| rest.split_once("\r\n").map(|(action, _)| action.to_owned());
        let actions = text.split("DynamoDB_20120810.").skip(1).filter_map(whole);
        self.actions.lock().unwrap().entry(handler).or_default().extend(actions);
        self.more.notify_waiters();
    }
}
