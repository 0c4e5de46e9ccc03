//! An invocation's way through the host: to the function over the Runtime API and back. The function is a thread of the
//! benchmark, which is not counted, so that what is left is the host's own work.

use std::{
    fs,
    io::{BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
    thread,
};

use bytes::Bytes;
use dunlin_lambda_host::{FunctionConfig, HostConfig, InvocationType, LambdaHost};
use rustix::fs::{CWD, Mode, mkfifoat};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::{
    data::{list_body, message_event},
    pairs::{Group, Pair, Stopwatch, Work},
    place::{Place, Stay},
    recorded::{connect, head, header_value},
};

/// The function's process does nothing but tell where it is asked to call; the benchmark calls there instead.
const BOOTSTRAP: &str = "#!/bin/sh\nprintf %s \"$AWS_LAMBDA_RUNTIME_API\" > address\nexec sleep 86400\n";

/// The pipe through which it does.
const ADDRESS: &str = "address";

const CALLS: &str = "/2018-06-01/runtime/invocation";

pub(super) fn fill(group: &mut Group) {
    group.pair("invoke/600B", || {
        let payload = Bytes::from(message_event("set_notify_list", &list_body(2)));
        Pair::new(invoke(&payload), "the function's two requests, answered at once", bare(&payload))
    });
}

/// A host with one function, on a runtime of this thread.
struct Host {
    runtime: Runtime,
    host: Arc<LambdaHost>,
    _code: TempDir,
}

impl Host {
    fn start() -> Self {
        let code = tempfile::tempdir().expect("a folder can be made");
        let bootstrap = code.path().join("bootstrap");
        fs::write(&bootstrap, BOOTSTRAP).expect("a file can be written");
        fs::set_permissions(&bootstrap, fs::Permissions::from_mode(0o755)).expect("it is ours");
        let address = code.path().join(ADDRESS);
        mkfifoat(CWD, &address, Mode::RUSR | Mode::WUSR).expect("a pipe can be made");
        thread::spawn(move || serve(function_address(&address)));

        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime needs nothing but memory");
        let host = runtime.block_on(async { LambdaHost::start(HostConfig::new("eu-west-1", "123456789012")) });
        let host = host.expect("the configuration is good");
        host.set_functions(vec![FunctionConfig::new("echo", code.path())]).expect("the function is good");
        Host { runtime, host, _code: code }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.runtime.block_on(self.host.shutdown());
    }
}

fn function_address(pipe: &Path) -> SocketAddr {
    let address = fs::read_to_string(pipe).expect("the function says where");
    address.parse().expect("it is an address and a port")
}

/// The function: sends each event back, over one connection, until the host goes away. On the core of the side that it answers:
/// the price of waking another one would be most of what is measured, and not the host's.
fn serve(host: SocketAddr) -> Option<()> {
    Stay::on(Place::Server).for_good();
    let mut host = connect(host);
    let mut message = Vec::new();
    loop {
        write!(host.get_mut(), "GET {CALLS}/next HTTP/1.1\r\nhost: runtime\r\n\r\n").ok()?;
        message.clear();
        let event_bytes = head(&mut host, &mut message)?;
        let id = header_value(&message, "lambda-runtime-aws-request-id")?.to_owned();
        let mut event = vec![0; event_bytes];
        host.read_exact(&mut event).ok()?;
        let mut answer = format!(
            "POST {CALLS}/{id}/response HTTP/1.1\r\nhost: runtime\r\ncontent-length: {event_bytes}\r\n\r\n"
        )
        .into_bytes();
        answer.append(&mut event);
        host.get_mut().write_all(&answer).ok()?;
        read(&mut host, &mut message)?;
    }
}

/// Reads a whole message, and returns how long its head is.
fn read(socket: &mut BufReader<TcpStream>, message: &mut Vec<u8>) -> Option<usize> {
    message.clear();
    let body_bytes = head(socket, message)?;
    let head_bytes = message.len();
    message.resize(head_bytes + body_bytes, 0);
    socket.read_exact(&mut message[head_bytes..]).ok()?;
    Some(head_bytes)
}

fn invoke(payload: &Bytes) -> Work {
    let (host, payload) = (Host::start(), payload.clone());
    Work::custom(move |iterations, stopwatch: &mut Stopwatch| {
        stopwatch.measure(|| {
            host.runtime.block_on(async {
                let mut answered = 0;
                for _ in 0..iterations {
                    let outcome = host.host.invoke("echo", payload.clone(), InvocationType::RequestResponse);
                    let outcome = outcome.await.expect("the function answers");
                    answered += u64::from(outcome.function_error.is_none() && outcome.payload == payload);
                }
                answered
            })
        })
    })
    .at(Place::Server)
}

/// Answers the same two requests of the same function with bytes that are ready.
fn bare(payload: &Bytes) -> Work {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || serve(address));
    let (socket, _) = listener.accept().expect("the function calls");
    socket.set_nodelay(true).expect("a fresh socket takes its options");
    let mut socket = BufReader::new(socket);
    let event = [
        format!(
            "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\ncontent-length: {}\r\n\r\n",
            payload.len()
        )
        .as_bytes(),
        payload,
    ]
    .concat();
    let (payload, mut message) = (payload.clone(), Vec::new());
    Work::custom(move |iterations, stopwatch: &mut Stopwatch| {
        stopwatch.measure(|| {
            let mut answered = 0;
            for _ in 0..iterations {
                read(&mut socket, &mut message).expect("the function asks for an event");
                socket.get_mut().write_all(&event).expect("the function reads");
                let head_bytes = read(&mut socket, &mut message).expect("the function answers");
                answered += u64::from(message[head_bytes..] == *payload);
                let accepted = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
                socket.get_mut().write_all(accepted).expect("the function reads");
            }
            answered
        })
    })
    .at(Place::Server)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairs::doubles;

    /// Large payloads, so that the bytes are most of the work.
    #[test]
    fn twice_the_payload_costs_twice_as_much() {
        let payload = |times: u64| Bytes::from(message_event("a", &list_body(times as usize * 100_000)));
        doubles("bare", |times| bare(&payload(times)));
    }
}
