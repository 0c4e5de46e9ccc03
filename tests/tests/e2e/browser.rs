//! A web page in a real browser follows a device.

use std::{
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    time::Duration,
};

use futures_util::StreamExt;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::{
    client::{Device, STEP_TIMEOUT, push},
    stack::Stack,
};

/// A browser that nobody has started before reads some hundred megabytes first.
const START_TIMEOUT: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_page_follows_a_device_and_is_told_goodbye() {
    let stack = Stack::notify();
    let device = Device::connect(&stack).await;
    let mut page = Page::open(stack.api("ws")).await;

    let followed = json!({"type": "notify_list", "device_ids": ["dev-1"], "added": ["dev-1"], "removed": []});
    assert_eq!(page.next().await, followed);
    device.update("dev-1", 1, 21.5).await;
    assert_eq!(page.next().await, push("dev-1", 1, 21.5));
    device.update("dev-1", 2, 22.0).await;
    assert_eq!(page.next().await, push("dev-1", 2, 22.0));

    let stopped = tokio::task::spawn_blocking(move || stack.stop());
    assert_eq!(page.next().await, json!({"type": "closed", "code": 1001, "wasClean": true}));
    assert!(stopped.await.unwrap().success());
}

/// A page that tells over a WebSocket of its own what it received.
struct Page {
    told: WebSocketStream<TcpStream>,
    _browser: Browser,
}

impl Page {
    /// Opens the page, which connects to the stack and then follows dev-1.
    async fn open(stack: &str) -> Self {
        let test = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("page.html");
        std::fs::write(&file, include_str!("browser/page.html")).unwrap();
        let url = format!("file://{}?test=ws://{}&stack={stack}", file.display(), test.local_addr().unwrap());
        let browser = Browser::start(&url, folder);
        let (told, _) = timeout(START_TIMEOUT, test.accept()).await.expect("the page does not open").unwrap();
        told.set_nodelay(true).unwrap();
        let told = timeout(STEP_TIMEOUT, accept_async(told)).await.unwrap().unwrap();
        Page { told, _browser: browser }
    }

    /// What the page received next, or how its connection ended.
    async fn next(&mut self) -> Value {
        let message = timeout(STEP_TIMEOUT, self.told.next()).await.expect("the page is silent");
        serde_json::from_str(message.unwrap().unwrap().to_text().unwrap()).unwrap()
    }
}

/// A browser without a window; killed, with all its processes, when it goes out of scope.
struct Browser {
    child: Child,
    /// Its settings and caches.
    _folder: TempDir,
}

impl Browser {
    fn start(url: &str, folder: TempDir) -> Self {
        // `cargo xtask test` names the one that it found.
        let program = std::env::var_os("DUNLIN_BROWSER").unwrap_or_else(|| "chromium".into());
        let child = Command::new(&program)
            // The page is ours, and the sandbox needs rights that a container or root does not have.
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-component-update"])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .arg(url)
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        Browser { child, _folder: folder }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Processes that have ended already need no signal.
        kill_process_group(Pid::from_child(&self.child), Signal::KILL).ok();
        self.child.wait().ok();
    }
}
