//! RFC 6455, section 8.1: texts are UTF-8. One that is not is noticed at the latest with the frame in which it goes wrong.

use crate::case::{CONTINUE, FIN, TEXT, check, closed, echoes, frame, text};

/// The first and last of each length, the neighbours of what is forbidden, and what is no character but may be sent.
const VALID: &[&str] = &[
    "κόσμε",
    "Straße, ñandú, łódź",
    "\u{0}",
    "\u{7f}",
    "\u{80}",
    "\u{7ff}",
    "\u{800}",
    "\u{d7ff}",
    "\u{e000}",
    "\u{fdd0}",
    "\u{feff}x",
    "\u{fffd}",
    "\u{fffe}\u{ffff}",
    "\u{10000}",
    "\u{1fffe}",
    "\u{10ffff}",
    "👩‍👩‍👧 e\u{301}",
];

/// Why, and the bytes.
const INVALID: &[(&str, &[u8])] = &[
    ("a continuation byte alone", b"\x80"),
    ("another one", b"\xbf"),
    ("a continuation byte too many", b"\xc3\xa4\xa4"),
    ("two bytes for one of ASCII", b"\xc0\xaf"),
    ("two bytes for one of ASCII, the last", b"\xc1\xbf"),
    ("three bytes for what fits two", b"\xe0\x9f\xbf"),
    ("four bytes for what fits three", b"\xf0\x8f\xbf\xbf"),
    ("five bytes", b"\xf8\x88\x80\x80\x80"),
    ("six bytes", b"\xfc\x84\x80\x80\x80\x80"),
    ("the first surrogate", b"\xed\xa0\x80"),
    ("the last surrogate", b"\xed\xbf\xbf"),
    ("a pair of surrogates", b"\xed\xa0\xbd\xed\xb8\x80"),
    ("above the last character", b"\xf4\x90\x80\x80"),
    ("0xfe", b"\xfe"),
    ("0xff", b"\xff"),
    ("a letter instead of a continuation byte", b"\xc3a"),
];

#[tokio::test]
async fn valid_texts_pass_wherever_they_are_cut() {
    let mut cases = Vec::new();
    for payload in VALID {
        cases.push((payload.escape_unicode().to_string(), text(payload), echoes([payload])));
        for at in 0..=payload.len() {
            let (start, rest) = payload.as_bytes().split_at(at);
            let name = format!("{} in parts of {at} bytes and the rest", payload.escape_unicode());
            let bytes = [frame(TEXT, start), frame(FIN | CONTINUE, rest)].concat();
            cases.push((name, bytes, echoes([payload])));
        }
    }
    check(cases).await;
}

#[tokio::test]
async fn invalid_texts_close_with_1007() {
    let mut cases = Vec::new();
    for (why, bytes) in INVALID {
        let surrounded = [b"good \xc3\xa4 ", *bytes, b" good"].concat();
        cases.push(((*why).to_owned(), text(bytes), closed(1007)));
        cases.push((format!("{why}, surrounded"), text(&surrounded), closed(1007)));
        let last = [frame(TEXT, "good"), frame(FIN | CONTINUE, bytes)].concat();
        cases.push((format!("{why}, in the last part"), last, closed(1007)));
        // Nothing more is sent: the gateway must not wait for the end of the message.
        cases.push((format!("{why}, in the first of more parts"), frame(TEXT, &surrounded), closed(1007)));
        let after = [text("good"), text(bytes), text("never")].concat();
        cases.push((format!("{why}, after a good text"), after, closed(1007).after("good")));
    }
    check(cases).await;
}

#[tokio::test]
async fn texts_end_with_a_whole_character() {
    let mut cases = Vec::new();
    for character in ["ä", "€", "😀"] {
        for at in 1..character.len() {
            let cut = &character.as_bytes()[..at];
            cases.push((format!("{at} bytes of {character}"), text(cut), closed(1007)));
            let parts = [frame(TEXT, cut), frame(FIN | CONTINUE, "")].concat();
            cases.push((format!("{at} bytes of {character}, and an empty last part"), parts, closed(1007)));
            let wrong = [frame(TEXT, cut), frame(CONTINUE, "x")].concat();
            cases.push((format!("{at} bytes of {character}, and a letter"), wrong, closed(1007)));
        }
    }
    check(cases).await;
}
