//! Extensions: inside the function's process, and as a process of its own that the function starts.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use crate::api::Api;

const REGISTER: &str = "/2020-01-01/extension/register";
const NEXT: &str = "/2020-01-01/extension/event/next";

/// As the Rust runtime's helper for an orderly end does it, and then waits on a second connection.
pub(crate) fn register() {
    let mut api = Api::connect();
    let headers = [("Lambda-Extension-Name", "_probe"), ("Lambda-Extension-Accept-Feature", "accountId")];
    let (status, headers, body) = api.call("POST", REGISTER, &headers, br#"{"events":[]}"#);
    println!("registered: {status} {}", String::from_utf8_lossy(&body));
    let identifier = headers["lambda-extension-identifier"].clone();
    let own = [("Lambda-Extension-Identifier", identifier.as_str())];
    api.stream.get_mut().write_all(&Api::request("GET", NEXT, &own, b"")).expect("the host listens");
    std::mem::forget(api);
}

/// Registers and says at once that it cannot begin.
pub(crate) fn fail() {
    let mut api = Api::connect();
    let (_, headers, _) =
        api.call("POST", REGISTER, &[("Lambda-Extension-Name", "broken")], br#"{"events":["INVOKE"]}"#);
    let identifier = headers["lambda-extension-identifier"].clone();
    let headers = [
        ("Lambda-Extension-Identifier", identifier.as_str()),
        ("Lambda-Extension-Function-Error-Type", "Extension.NoConfig"),
    ];
    let (status, ..) = api.call("POST", "/2020-01-01/extension/init/error", &headers, b"{}");
    println!("extension failed: {status}");
}

/// What wrong registrations are told.
pub(crate) fn wrong() {
    let mut api = Api::connect();
    let named = [("Lambda-Extension-Name", "wrong")];
    for body in [r#"{"events":["SLEEP"]}"#, "no JSON"] {
        let (status, _, body) = api.call("POST", REGISTER, &named, body.as_bytes());
        println!("extension refused: {status} {}", String::from_utf8_lossy(&body));
    }
    let unknown = [("Lambda-Extension-Identifier", "7")];
    for (method, path) in [("GET", NEXT), ("PUT", "/2022-07-01/telemetry")] {
        let (status, _, body) = api.call(method, path, &unknown, b"{}");
        println!("extension refused: {status} {}", String::from_utf8_lossy(&body));
    }
}

/// Starts a process that is an extension, and waits until it has registered: later it may not.
pub(crate) fn start() {
    let program = env::current_exe().expect("this process has a program");
    let mut child = Command::new(program)
        .arg("extension")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this program can be started");
    let said = child.stderr.take().expect("it was asked for");
    let mut line = String::new();
    BufReader::new(said).read_line(&mut line).expect("the extension says that it is registered");
    // Nobody waits for it.
    std::mem::forget(child);
}

/// The process: prints each event, and ends with the last.
pub(crate) fn run() {
    let mut api = Api::connect();
    let named = [("Lambda-Extension-Name", "probe-extension")];
    let (status, headers, _) = api.call("POST", REGISTER, &named, br#"{"events":["INVOKE","SHUTDOWN"]}"#);
    assert_eq!(status, 200);
    eprintln!("registered");
    let identifier = headers["lambda-extension-identifier"].clone();
    loop {
        let own = [("Lambda-Extension-Identifier", identifier.as_str())];
        let (_, _, event) = api.call("GET", NEXT, &own, b"");
        let event = String::from_utf8_lossy(&event).into_owned();
        println!("extension: {event}");
        if event.contains("SHUTDOWN") {
            println!("extension has flushed");
            return;
        }
        match env::var("PROBE_EXTENSION").as_deref() {
            Ok("stuck") => loop {
                std::thread::park();
            },
            Ok("exits") => {
                let headers = [own[0], ("Lambda-Extension-Function-Error-Type", "Extension.NoLuck")];
                api.call("POST", "/2020-01-01/extension/exit/error", &headers, b"");
            }
            _ => {}
        }
    }
}
