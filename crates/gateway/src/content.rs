//! `ContentHandlingStrategy`: binary payloads on connections that carry text (R11).
//!
//! What the service documents is the conversion itself. That a payload which is no base64 fails like any mapping, and that
//! nothing but UTF-8 can reach a client, is inferred.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;

/// What becomes of a payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ContentHandling {
    /// `CONVERT_TO_BINARY`: it is base64, and what it stands for goes on.
    ToBinary,
    /// `CONVERT_TO_TEXT`: it goes on as base64. A message is text already, and goes on as it is.
    ToText,
}

/// What a back end gets of a payload. The error is a sentence.
pub(crate) fn for_back_end(handling: Option<ContentHandling>, payload: String) -> Result<Bytes, String> {
    match handling {
        Some(ContentHandling::ToBinary) => decode(payload.as_bytes()).map(Bytes::from),
        Some(ContentHandling::ToText) | None => Ok(payload.into()),
    }
}

/// What the client, or the template on the way to it, gets of an answer. The error is a sentence.
pub(crate) fn for_client(handling: Option<ContentHandling>, answer: &[u8]) -> Result<String, String> {
    let bytes = match handling {
        Some(ContentHandling::ToText) => return Ok(STANDARD.encode(answer)),
        Some(ContentHandling::ToBinary) => decode(answer)?,
        None => answer.to_vec(),
    };
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8, and connections carry text only".to_owned())
}

/// Whether a text is base64.
pub(crate) fn check_base64(text: &str) -> Result<(), String> {
    decode(text.as_bytes()).map(drop)
}

fn decode(base64: &[u8]) -> Result<Vec<u8>, String> {
    STANDARD.decode(base64).map_err(|error| format!("it is not base64: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_converted() {
        use ContentHandling::{ToBinary, ToText};
        let to =
            |handling, text: &str| for_back_end(handling, text.to_owned()).map(|bytes| bytes.to_vec()).ok();
        assert_eq!(to(None, "w6Q="), Some(b"w6Q=".to_vec()));
        assert_eq!(to(Some(ToText), "w6Q="), Some(b"w6Q=".to_vec()));
        assert_eq!(to(Some(ToBinary), "/w=="), Some(vec![0xff]));
        assert_eq!(to(Some(ToBinary), "no base64"), None);
        let back = |handling, bytes: &[u8]| for_client(handling, bytes).ok();
        assert_eq!(back(None, "ä".as_bytes()).as_deref(), Some("ä"));
        assert_eq!(back(None, b"\xff"), None);
        assert_eq!(back(Some(ToText), b"\xff").as_deref(), Some("/w=="));
        assert_eq!(back(Some(ToBinary), b"w6Q=").as_deref(), Some("ä"));
        assert_eq!(back(Some(ToBinary), b"/w=="), None);
    }
}
