//! A function for the tests: speaks the Runtime API with nothing but a socket, and does what its event tells it,
//! `{"do": "echo", …}`. What it does before its first event is in `PROBE_INIT`.
//!
//! A *gate* is a socket of the test's: the process says its id there, and the test sees the process's death as the end
//! of the stream. With the argument `linger` this program is such a process and nothing else; with
//! `host` it is a function host, to be killed.
#![expect(clippy::panic, reason = "a panic is one of the things that it is told to do")]

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    process::{Command, Stdio, exit},
};

use serde_json::{Value, json};

mod api;
mod extension;
mod host;
mod hostile;

use api::Api;

fn main() {
    let arguments: Vec<String> = env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("linger") => drop(pass_gate(&arguments[2])),
        Some("host") => host::run(&arguments[2], &arguments[3]),
        Some("extension") => extension::run(),
        Some("daemon") => hostile::give_away(&arguments[2]),
        _ => function(),
    }
}

fn function() {
    let mut api = Api::connect();
    match env::var("PROBE_INIT").as_deref() {
        Ok("panic") => panic!("the probe panics at its start"),
        Ok("exit") => exit(3),
        Ok("hang") => drop(pass_gate(&env::var("PROBE_GATE").expect("hang needs PROBE_GATE"))),
        Ok("error") => {
            let body = br#"{"errorType":"Probe.NoTable","errorMessage":"no table"}"#;
            api.call("POST", "/2018-06-01/runtime/init/error", &[], body);
            exit(1);
        }
        Ok("extension") => extension::register(),
        Ok("extension process") => extension::start(),
        Ok("extension fails") => extension::fail(),
        Ok("extension errs") => extension::wrong(),
        _ => {}
    }
    println!("the probe is up");
    let workers: usize = env::var("PROBE_WORKERS").map_or(1, |workers| workers.parse().expect("a number"));
    for _ in 1..workers {
        std::thread::spawn(|| work(Api::connect()));
    }
    work(api);
}

/// Takes events and does what they say.
fn work(mut api: Api) {
    let mut kept = Vec::new();
    loop {
        let (status, headers, event) = api.call("GET", "/2018-06-01/runtime/invocation/next", &[], b"");
        assert_eq!(status, 200);
        let id = headers["lambda-runtime-aws-request-id"].clone();
        let event: Value = serde_json::from_slice(&event).expect("the host passes on what the test sends");
        let answer = match event["do"].as_str().unwrap_or("echo") {
            "headers" => json!(headers).to_string().into_bytes(),
            "environment" => environment(),
            "gate" => {
                drop(pass_gate(text(&event, "gate")));
                echo(&event)
            }
            "dawdle" => {
                api.call("POST", &response_path(&id), &[], &echo(&event));
                drop(pass_gate(text(&event, "gate")));
                continue;
            }
            "keep" => {
                kept.push(open_gate(text(&event, "gate")));
                echo(&event)
            }
            "fork" => {
                linger(text(&event, "gate"));
                echo(&event)
            }
            "print" => {
                for line in event["lines"].as_array().into_iter().flatten() {
                    println!("{}", line.as_str().unwrap_or_default());
                }
                eprintln!("to standard error");
                echo(&event)
            }
            "garbage head" => json!(hostile::garbage_head()).to_string().into_bytes(),
            "half" => {
                let half = hostile::half_an_answer(&id);
                // Until it is killed, or for a moment.
                if event["gate"].is_string() {
                    drop(pass_gate(text(&event, "gate")));
                }
                drop(half);
                echo(&event)
            }
            "connections" => {
                let opened = hostile::connections(event["number"].as_u64().unwrap_or(0));
                json!(opened.len()).to_string().into_bytes()
            }
            "flood" => {
                hostile::flood();
                echo(&event)
            }
            "eat" => {
                let mut gate = BufReader::new(open_gate(text(&event, "gate")));
                let memory = hostile::eat(event["mb"].as_u64().unwrap_or(0).try_into().expect("64 bits"));
                gate.read_line(&mut String::new()).expect("the test answers");
                json!(memory.len()).to_string().into_bytes()
            }
            "daemon" => {
                hostile::daemon(text(&event, "gate"));
                echo(&event)
            }
            "limits" => json!(std::fs::read_to_string("/proc/self/limits").expect("this is Linux"))
                .to_string()
                .into_bytes(),
            "answer twice" => {
                api.call("POST", &response_path(&id), &[], &echo(&event));
                println!("second answer: {}", hostile::answer_again(&mut api, &id));
                continue;
            }
            "exit 0" => exit(0),
            "exit" => exit(3),
            "abort" => std::process::abort(),
            "answer and exit" => {
                let request = Api::request("POST", &response_path(&id), &[], b"\"last words\"");
                api.stream.get_mut().write_all(&request).expect("the host listens");
                exit(0)
            }
            "garbage" => b"}{ not JSON".to_vec(),
            "huge" => vec![b' '; usize::try_from(event["bytes"].as_u64().unwrap_or(0)).expect("64 bits")],
            "error" => {
                let body = event["error"].as_str().map_or_else(
                    || br#"{"errorType":"Probe.Error","errorMessage":"as asked"}"#.to_vec(),
                    |text| text.as_bytes().to_vec(),
                );
                let kind = ("Lambda-Runtime-Function-Error-Type", "Probe.Header");
                let path = format!("/2018-06-01/runtime/invocation/{id}/error");
                api.call("POST", &path, &[kind], &body);
                continue;
            }
            "fail until" => {
                if pass_gate(text(&event, "gate")).trim() == "fail" {
                    let path = format!("/2018-06-01/runtime/invocation/{id}/error");
                    api.call("POST", &path, &[], b"{}");
                    continue;
                }
                echo(&event)
            }
            "protocol" => {
                let faults = protocol_faults(&mut api, &id);
                api.call("POST", &response_path(&id), &[], faults.to_string().as_bytes());
                let (status, _, body) = api.call("POST", &response_path(&id), &[], b"{}");
                println!("second answer: {status} {}", String::from_utf8_lossy(&body));
                continue;
            }
            "two polls" => {
                // A concurrent runtime: another poll is open before the event of the first is answered.
                let mut other = Api::connect();
                let poll = Api::request("GET", "/2018-06-01/runtime/invocation/next", &[], b"");
                other.stream.get_mut().write_all(&poll).expect("the host listens");
                api.call("POST", &response_path(&id), &[], &echo(&event));
                api = other;
                let (_, headers, event) = api.read();
                let event: Value =
                    serde_json::from_slice(&event).expect("the host passes on what the test sends");
                let path = response_path(&headers["lambda-runtime-aws-request-id"]);
                api.call("POST", &path, &[], &echo(&event));
                continue;
            }
            "stream" => {
                api.stream_error(&id);
                continue;
            }
            _ if env::var_os("PROBE_QUIET").is_some() => b"{}".to_vec(),
            _ => echo(&event),
        };
        let (status, _, body) = api.call("POST", &response_path(&id), &[], &answer);
        if status != 202 {
            println!("answer refused: {status} {}", String::from_utf8_lossy(&body));
        }
    }
}

fn response_path(id: &str) -> String {
    format!("/2018-06-01/runtime/invocation/{id}/response")
}

fn echo(event: &Value) -> Vec<u8> {
    json!({ "pid": std::process::id(), "event": event }).to_string().into_bytes()
}

fn environment() -> Vec<u8> {
    let variables: BTreeMap<String, String> = env::vars().collect();
    let directory = env::current_dir().expect("the host sets one");
    json!({ "pid": std::process::id(), "directory": directory, "variables": variables })
        .to_string()
        .into_bytes()
}

/// What the Runtime API says to calls that are wrong while an invocation is under way.
fn protocol_faults(api: &mut Api, id: &str) -> Value {
    let mut said = serde_json::Map::new();
    let mut call = |name: &str, method: &str, path: &str, headers: &[(&str, &str)]| {
        let (status, _, body) = api.call(method, path, headers, b"{}");
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        said.insert(
            name.to_owned(),
            json!(format!("{status} {}", body["errorType"].as_str().unwrap_or("-"))),
        );
    };
    call("unknown id", "POST", &response_path("8f3a"), &[]);
    call("unknown id, error", "POST", "/2018-06-01/runtime/invocation/8f3a/error", &[]);
    call("init error", "POST", "/2018-06-01/runtime/init/error", &[]);
    call("restore", "GET", "/2018-06-01/runtime/restore/next", &[]);
    call("bad mode", "POST", &response_path(id), &[("Lambda-Runtime-Function-Response-Mode", "odd")]);
    call("no call", "GET", "/2018-06-01/runtime/invocation/first", &[]);
    call("web page", "GET", "/2018-06-01/runtime/invocation/next", &[("Origin", "http://localhost:3000")]);
    call("extension without name", "POST", "/2020-01-01/extension/register", &[]);
    call("extension without id", "GET", "/2020-01-01/extension/event/next", &[]);
    Value::Object(said)
}

fn text<'a>(event: &'a Value, name: &str) -> &'a str {
    event[name].as_str().expect("the test names the gate")
}

/// Connects to the gate and says this process's id.
fn open_gate(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the test listens");
    writeln!(stream, "{}", std::process::id()).expect("the test listens");
    stream
}

/// Waits at the gate until the test lets it pass.
fn pass_gate(address: &str) -> String {
    let mut line = String::new();
    BufReader::new(open_gate(address)).read_line(&mut line).expect("the test answers");
    line
}

/// Starts a process of the function's own, which lives until it is killed.
fn linger(gate: &str) {
    let program = env::current_exe().expect("this process has a program");
    let started = Command::new(program)
        .args(["linger", gate])
        .stdin(Stdio::null())
        .spawn()
        .expect("this program can be started");
    // Nobody waits for it: that is the point.
    std::mem::forget(started);
}
