//! RFC 6455, sections 5.5.1 and 7: close frames of clients.

use crate::case::{CLOSE, FIN, PING, check, close, close_payload, closed, echoed_close, frame, text};

#[tokio::test]
async fn codes_that_may_be_sent_come_back() {
    let codes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999];
    let mut cases = Vec::new();
    for code in codes {
        let payload = close_payload(code, "");
        cases.push((format!("{code}"), close(code, ""), echoed_close(&payload)));
    }
    for reason in ["bye", "tschüß 👋", &"x".repeat(123)] {
        let payload = close_payload(1000, reason);
        cases.push((
            format!("1000 for {} bytes of reason", reason.len()),
            close(1000, reason),
            echoed_close(&payload),
        ));
    }
    cases.push(("no code".to_owned(), frame(FIN | CLOSE, ""), echoed_close(b"")));
    check(cases).await;
}

#[tokio::test]
async fn codes_that_may_not_be_sent_are_a_protocol_error() {
    let codes = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535];
    check(codes.map(|code| (format!("{code}"), close(code, ""), closed(1002)))).await;
    check([1004, 2999].map(|code| (format!("{code} with a reason"), close(code, "why"), closed(1002)))).await;
}

#[tokio::test]
async fn malformed_close_frames() {
    check([
        ("half a code", frame(FIN | CLOSE, b"\x03"), closed(1002)),
        ("a reason of 124 bytes", close(1000, "x".repeat(124)), closed(1002)),
        ("one that is to be continued", frame(CLOSE, close_payload(1000, "")), closed(1002)),
        ("a reason that is not UTF-8", close(1000, b"\xce\xba\xff"), closed(1007)),
        ("a reason that ends inside a character", close(1000, b"\xe2\x82"), closed(1007)),
    ])
    .await;
}

#[tokio::test]
async fn nothing_counts_after_a_close_frame() {
    let payload = close_payload(1000, "first");
    let first = || close(1000, "first");
    check([
        ("a text", [first(), text("never")].concat(), echoed_close(&payload)),
        ("a ping", [first(), frame(FIN | PING, "never")].concat(), echoed_close(&payload)),
        ("another close", [first(), close(1001, "second")].concat(), echoed_close(&payload)),
        ("garbage", [first(), b"\xff\xff\xff\xff".to_vec()].concat(), echoed_close(&payload)),
        ("half a frame", [first(), vec![FIN | PING]].concat(), echoed_close(&payload)),
        ("a long text", [first(), text("x".repeat(32 * 1024))].concat(), echoed_close(&payload)),
    ])
    .await;
}

#[tokio::test]
async fn a_text_before_the_close_frame_does_no_harm() {
    let bytes = [text("hello"), close(1000, "")].concat();
    check([("a text", bytes, echoed_close(&close_payload(1000, "")).after("hello"))]).await;
}
