//! What no function should do.

use std::{
    env,
    io::{Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
};

use crate::{api::Api, response_path};

fn connect() -> TcpStream {
    let address = env::var("AWS_LAMBDA_RUNTIME_API").expect("the host sets the address");
    TcpStream::connect(address).expect("the host listens")
}

/// Sends what is no HTTP, and says what came back.
pub(crate) fn garbage_head() -> String {
    let mut stream = connect();
    stream.write_all(b"\x00\xff GET is not \x7f HTTP\r\nbad header\r\n\r\n").expect("the host listens");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("the host answers");
    reply.lines().next().unwrap_or_default().to_owned()
}

/// Begins an answer in pieces and breaks off.
pub(crate) fn half_an_answer(id: &str) -> TcpStream {
    let mut stream = connect();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: runtime\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nhalf",
        response_path(id)
    );
    stream.write_all(head.as_bytes()).expect("the host listens");
    stream
}

/// Opens far more connections than anyone needs.
pub(crate) fn connections(number: u64) -> Vec<TcpStream> {
    (0..number).map(|_| connect()).collect()
}

/// Prints without end and without a line's end.
pub(crate) fn flood() {
    std::thread::spawn(|| {
        let bytes = [b'x'; 4_096];
        while std::io::stdout().write_all(&bytes).is_ok() {}
    });
}

/// Takes memory and uses it.
pub(crate) fn eat(mb: usize) -> Vec<u8> {
    let mut memory = vec![0_u8; mb * 1024 * 1024];
    for page in memory.chunks_mut(4_096) {
        page[0] = 1;
    }
    memory
}

/// Starts a process that leaves the group and is given away.
pub(crate) fn daemon(gate: &str) {
    let program = env::current_exe().expect("this process has a program");
    let mut child = Command::new(program)
        .args(["daemon", gate])
        .stdin(Stdio::null())
        .spawn()
        .expect("this program can be started");
    child.wait().expect("it is a child of ours");
}

/// The process in between: a session of its own, a child, and gone.
pub(crate) fn give_away(gate: &str) {
    rustix::process::setsid().expect("it leads no group");
    let program = env::current_exe().expect("this process has a program");
    let started = Command::new(program)
        .args(["linger", gate])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("this program can be started");
    std::mem::forget(started);
}

/// Answers an invocation that is over, on the connection that the function has.
pub(crate) fn answer_again(api: &mut Api, id: &str) -> String {
    let (status, _, body) = api.call("POST", &response_path(id), &[], b"{}");
    format!("{status} {}", String::from_utf8_lossy(&body))
}
