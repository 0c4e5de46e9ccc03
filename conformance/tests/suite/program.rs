//! The program: what it says of targets that are none, and how it ends.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Output},
};

use crate::stack::{Stack, TEMPLATE};

fn conformance(args: &[&str]) -> Output {
    conformance_with(&[], args)
}

/// Runs it with these variables and none of AWS's besides.
fn conformance_with(variables: &[(&str, &str)], args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dunlin-conformance"));
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied()).args(args).output().unwrap()
}

#[track_caller]
fn check(args: &[&str], code: i32, said: &str) {
    let output = conformance(args);
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    assert!(text.contains(said), "{args:?}: {text}");
}

/// Somebody who answers each connection by this, and goes on until the test ends.
fn answering(by: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/x", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().flatten().for_each(by));
    url
}

#[test]
fn wrong_command_lines_are_64() {
    check(&["--target", "nonsense"], 64, "wss://HOST/STAGE is expected");
    check(
        &["--target", "ws://127.0.0.1:1/x", "--only", "H10.nothing"],
        64,
        "there is no case H10.nothing; there are H1.stage",
    );
    check(&["--target", "ws://127.0.0.1:1/x", "--api", "Other=ws://x/y"], 64, "one of Main, Bare");
    check(&["--target", "ws://127.0.0.1:1/x", "--write-docs"], 64, "--write-docs is for --target local");
    check(&["--patience", "0"], 64, "--patience");
}

#[test]
fn nobody_there_is_69() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    check(&["--target", &format!("ws://{closed}/x")], 69, "error: somebody who listens at 127.0.0.1:");
    check(&["--target", "local"], 69, "cargo xtask conformance");
}

#[test]
fn whoever_says_nothing_or_nonsense_fails_the_cases() {
    let args = |url| ["--patience", "1", "--only", "H1.stage,R8.frame", "--target", url];
    let silent = answering(std::mem::forget);
    check(&args(&silent), 1, "nothing within 1s");
    let garbled = answering(|mut stream| drop(stream.write_all(b"\x1b[31mgo away\r\n\r\n")));
    check(&args(&garbled), 1, "\\u{1b}[31mgo away");
    let endless = answering(|mut stream| while stream.write_all(&[b'x'; 4096]).is_ok() {});
    check(&args(&endless), 1, "an HTTP answer");
    let broken_frames = answering(|mut stream| {
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).unwrap_or(0);
        let head = String::from_utf8_lossy(&request[..read]).into_owned();
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap_or_default();
        let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
        let _ = write!(stream, "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: {accept}\r\n\r\n");
        // A frame of more bytes than there are.
        let _ = stream.write_all(&[0x81, 127, 0xff, 0xff, 0, 0, 0, 0, 0, 0, b'x']);
    });
    check(
        &["--patience", "1", "--only", "Q5.pong", "--target", &broken_frames],
        1,
        "a frame of a usual size",
    );
}

#[test]
fn what_the_target_lacks_is_skipped() {
    let silent = answering(std::mem::forget);
    let file = tempfile::NamedTempFile::new().unwrap();
    let json = file.path().to_str().unwrap();
    let args = [
        "--only",
        "H9.without-route,C2.post,X3.aged,G6",
        "--json",
        json,
        "--target",
        &silent,
        "--patience",
        "1",
    ];
    let output = conformance(&args);
    assert_eq!(output.status.code(), Some(1), "the case of two hours connects before it waits");
    let found: serde_json::Value = serde_json::from_reader(file.reopen().unwrap()).unwrap();
    assert_eq!(found["version"], 1);
    let reason = |id: &str| {
        let case = found["cases"].as_array().unwrap().iter().find(|case| case["id"] == id).unwrap();
        assert_eq!(case["verdict"], "skipped", "{case}");
        case["reason"].as_str().unwrap().to_owned()
    };
    assert!(reason("H9.without-route").contains("no API Bare"));
    assert!(reason("C2.post").contains("no credentials"));
    assert!(reason("G6.parameters").contains("no HTTP integration"));
}

/// As it runs against AWS, or any other gateway: addresses on the command line, credentials in the environment.
#[tokio::test(flavor = "multi_thread")]
async fn any_address_will_do() {
    let stack = Stack::start(TEMPLATE).await;
    let ready: serde_json::Value =
        serde_json::from_reader(std::fs::File::open(stack.running.ready_file()).unwrap()).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let api = |name: &str, key: &str| {
        let apis = ready["apis"].as_array().unwrap();
        text(
            &apis.iter().find(|api| api["logical_id"] == name && api["stage"] == "conformance").unwrap()[key],
        )
    };
    let (target, management) = (api("Main", "wss"), api("Main", "management_tls"));
    let (guarded, keyed) =
        (format!("Guarded={}", api("Guarded", "wss")), format!("keyed={}", api("Keyed", "ws")));
    let ca = text(&ready["ca_file"]);
    let mut args = vec!["--target", &target, "--management", &management, "--api", &guarded, "--api", &keyed];
    // A fact of each kind: sockets with TLS, the authorizer, signed calls with TLS, a key from the environment.
    args.extend(["--ca", &ca, "--only", "H2,H10,R9.throws,A5,A10,C2,C3.gone,Q6"]);
    let (id, secret) = (text(&ready["access_key_id"]), text(&ready["secret_access_key"]));
    let (region, key) = (text(&ready["region"]), text(&ready["api_keys"][0]["value"]));
    let variables = [
        ("AWS_ACCESS_KEY_ID", &*id),
        ("AWS_SECRET_ACCESS_KEY", &*secret),
        ("AWS_REGION", &*region),
        ("CONFORMANCE_API_KEY", &*key),
    ];
    let output = tokio::task::block_in_place(|| conformance_with(&variables, &args));
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    // Three APIs are not named, and two hours are long.
    assert!(told.contains("0 fail, 3 skipped\ninferred"), "{told}");
    assert!(told.ends_with("0 fail, 1 skipped\n"), "{told}");
    stack.stop().await;
}
