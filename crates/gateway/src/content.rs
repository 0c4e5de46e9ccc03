//! `ContentHandlingStrategy`: binary payloads on connections that carry text (R11).

/// What becomes of a payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ContentHandling {
    /// `CONVERT_TO_BINARY`: it is base64, and what it stands for goes on.
    ToBinary,
    /// `CONVERT_TO_TEXT`: it goes on as base64.
    ToText,
}
