//! The head of a request, as the gateway reads it before anything else.

use dunlin_events::limits::REQUEST_HEAD_BYTES_MAX;
use dunlin_gateway::fuzzing::{Head, head};

use super::pieces;
use crate::Target;

/// See the module.
pub const TARGET: Target = Target {
    name: "head",
    run,
    words: &[
        b"GET ",
        b"/dev",
        b" HTTP/1.1\r\n",
        b" HTTP/1.0\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\r",
        b": ",
        b":",
        b"\t",
        b"\0",
        b"Host: localhost\r\n",
        b"Connection: Upgrade\r\n",
        b"Upgrade: websocket\r\n",
        b"Sec-WebSocket-Version: 13\r\n",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Expect: 100-continue\r\n",
        b"http://localhost",
        b"%2F",
        b"?a=b&c",
        b"\xff",
        b" \r\n x",
    ],
    input_bytes_max: 12_000,
};

fn run(bytes: &[u8]) {
    let whole = head(&[bytes]);
    for seed in 0..3 {
        assert_eq!(head(&pieces(bytes, seed)), whole, "pieces of seed {seed}");
    }
    let Some(whole) = whole else { return };
    let head_bytes = bytes.len() - whole.rest.len();
    assert!(head_bytes <= REQUEST_HEAD_BYTES_MAX && bytes.ends_with(&whole.rest));
    assert!(!whole.method.is_empty() && whole.method.bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(!whole.target.contains([' ', '\r', '\n']));
    for (name, value) in &whole.headers {
        assert!(
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':'),
            "{name:?}"
        );
        // Whatever is made of it stays one line.
        assert!(!value.contains(['\r', '\n', '\0']), "{value:?}");
    }
    // A target of other bytes counts as empty, and a value of others is replaced: neither can be printed as it was.
    let printed = print(&whole);
    if !whole.target.is_empty() && bytes.is_ascii() && printed.len() <= REQUEST_HEAD_BYTES_MAX {
        assert_eq!(head(&[&[printed.as_bytes(), &whole.rest].concat()]), Some(whole));
    }
}

fn print(head: &Head) -> String {
    let version = if head.is_http_11 { "1.1" } else { "1.0" };
    let lines = head.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<String>();
    format!("{} {} HTTP/{version}\r\n{lines}\r\n", head.method, head.target)
}
