//! What is signed of a request: its canonical form, made from the request as it was received.

use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

use super::{SignedRequest, claim::SIGNATURE};

/// The text whose hash is signed.
pub(super) fn canonical_request(request: &SignedRequest<'_>, signed_headers: &str) -> String {
    let mut text = String::with_capacity(512);
    text.push_str(request.method);
    text.push('\n');
    // The path as sent, encoded once more (C6).
    encode(request.path.as_bytes(), true, &mut text);
    text.push('\n');
    text.push_str(&canonical_query(request.query.unwrap_or_default()));
    text.push('\n');
    for name in signed_headers.split(';') {
        text.push_str(name);
        text.push(':');
        let values = request.headers.get_all(name).iter();
        for (index, value) in values.map(|value| String::from_utf8_lossy(value.as_bytes())).enumerate() {
            if index > 0 {
                text.push(',');
            }
            for (index, word) in value.split_ascii_whitespace().enumerate() {
                if index > 0 {
                    text.push(' ');
                }
                text.push_str(word);
            }
        }
        text.push('\n');
    }
    text.push('\n');
    text.push_str(signed_headers);
    text.push('\n');
    // What the caller claims about its body in a header counts for nothing: this is the body.
    text.push_str(&hex(Sha256::digest(request.body)));
    text
}

fn canonical_query(query: &str) -> String {
    let encoded = |part: &str| {
        let mut text = String::new();
        encode(&percent_decode_str(part).collect::<Vec<u8>>(), false, &mut text);
        text
    };
    let mut pairs: Vec<(String, String)> = (query.split('&').filter(|pair| !pair.is_empty()))
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        // The signature of a presigned query cannot cover itself.
        .filter(|(name, _)| *name != SIGNATURE)
        .map(|(name, value)| (encoded(name), encoded(value)))
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// Percent-encodes everything but unreserved characters, and slashes if asked.
fn encode(bytes: &[u8], keep_slashes: bool, text: &mut String) {
    for &byte in bytes {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if plain || (keep_slashes && byte == b'/') {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.extend(digits(byte, b"0123456789ABCDEF"));
        }
    }
}

pub(super) fn hex(bytes: impl AsRef<[u8]>) -> String {
    let mut text = String::with_capacity(64);
    for byte in bytes.as_ref() {
        text.extend(digits(*byte, b"0123456789abcdef"));
    }
    text
}

/// Both digits of a byte, without the machinery of formatting: a post has a hundred of them.
fn digits(byte: u8, alphabet: &[u8; 16]) -> [char; 2] {
    [byte >> 4, byte & 15].map(|digit| char::from(alphabet[usize::from(digit)]))
}
