//! Requests of which two readers could think differently: where one ends and the next begins. Each must be refused, or be the last
//! on its connection.

use tokio::io::AsyncWriteExt;

use crate::harness::{Stack, read_all};

/// What one reader takes for a body, and another for a request.
const HIDDEN: &str = "GET /dev/@connections/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// The statuses of all answers to these bytes.
async fn statuses(stack: &Stack, request: &str) -> Vec<u16> {
    let mut stream = stack.tcp().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let answers = read_all(&mut stream).await;
    answers.match_indices("HTTP/1.1 ").filter_map(|(at, _)| answers[at + 9..at + 12].parse().ok()).collect()
}

#[tokio::test]
async fn ambiguous_requests_are_the_last_of_their_connection() {
    let stack = Stack::start(vec![]).await;
    let length = HIDDEN.len();
    let both = length + 5;
    for (name, headers, body, expected) in [
        // A signature is missing everywhere, so 403 is the answer to a request that was understood.
        (
            "a length and chunks",
            format!("Content-Length: {both}\r\nTransfer-Encoding: chunked\r\n"),
            "0\r\n\r\n",
            403,
        ),
        (
            "chunks and a length",
            format!("Transfer-Encoding: chunked\r\nContent-Length: {both}\r\n"),
            "0\r\n\r\n",
            403,
        ),
        ("two lengths", format!("Content-Length: 0\r\nContent-Length: {length}\r\n"), "", 400),
        ("a list of lengths", format!("Content-Length: 0, {length}\r\n"), "", 400),
        ("a length with a sign", format!("Content-Length: +{length}\r\n"), "", 400),
        ("a length in hexadecimal", "Content-Length: 0x10\r\n".to_owned(), "", 400),
        ("a length with a space before the colon", format!("Content-Length : {length}\r\n"), "", 400),
        (
            "chunks that are not the last coding",
            "Transfer-Encoding: chunked, gzip\r\n".to_owned(),
            "0\r\n\r\n",
            400,
        ),
        ("an unknown coding", "Transfer-Encoding: xchunked\r\n".to_owned(), "0\r\n\r\n", 400),
        ("a folded coding", "Transfer-Encoding:\r\n chunked\r\n".to_owned(), "0\r\n\r\n", 400),
        ("a carriage return alone", "X: a\rTransfer-Encoding: chunked\r\n".to_owned(), "0\r\n\r\n", 400),
        ("a zero byte", "X: a\0b\r\n".to_owned(), "", 400),
        ("a chunk of a length that is none", "Transfer-Encoding: chunked\r\n".to_owned(), "0x0\r\n\r\n", 400),
        (
            "a chunk of a length that overflows",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            "fffffffffffffffff\r\n\r\n",
            400,
        ),
    ] {
        let request =
            format!("POST /dev/@connections/x HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}{HIDDEN}");
        assert_eq!(statuses(&stack, &request).await, [expected], "{name}");
        // And the same behind a good request, when another parser reads it.
        let second = format!("{HIDDEN}{request}");
        assert_eq!(statuses(&stack, &second).await, [403, expected], "{name}, as the second request");
    }
    let chunks =
        "POST /dev/@connections/x HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(statuses(&stack, &format!("{chunks}{HIDDEN}")).await, [400], "chunks in HTTP/1.0");
}

/// A line feed alone ends a line (RFC 9112, section 2.2), for both parsers alike.
#[tokio::test]
async fn line_feeds_alone() {
    let stack = Stack::start(vec![]).await;
    let bare = HIDDEN.replace("\r\n", "\n");
    assert_eq!(statuses(&stack, &bare).await, [403]);
    assert_eq!(statuses(&stack, &format!("{HIDDEN}{bare}")).await, [403, 403]);
    let with_body =
        format!("POST /dev/@connections/x HTTP/1.1\nHost: localhost\nContent-Length: 5\n\nhello{HIDDEN}");
    assert_eq!(statuses(&stack, &with_body).await, [403, 403]);
}

/// Requests that are clear may follow each other.
#[tokio::test]
async fn clear_requests_may_follow_each_other() {
    let stack = Stack::start(vec![]).await;
    let post = "POST /dev/@connections/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(statuses(&stack, &format!("{post}{HIDDEN}{post}")).await, [403, 403, 403]);
}
