use std::sync::Arc;

use bytes::Bytes;

use super::Context;
use crate::{api::Stage, velocity};

/// What an integration is called with; made before its task is, so that the message's buffer is free.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// The event of section 4.
    Event(Bytes),
    /// What mappings look at.
    Mapped(Box<MappingInput>),
    /// Nothing: the message should be base64, and is not (R11). With the reason.
    NotBase64(String),
}

/// What mappings look at (G6, G7).
#[derive(Debug)]
pub(crate) struct MappingInput {
    pub(crate) body: String,
    pub(crate) context: Context,
    /// Of the handshake; empty for everything after it (H19).
    pub(crate) query: Vec<(String, String)>,
    /// The same.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) stage: Arc<Stage>,
}

impl MappingInput {
    /// As templates take it, with this body.
    pub(crate) fn inputs<'a>(&'a self, body: &'a str) -> velocity::Inputs<'a> {
        velocity::Inputs {
            body,
            query: &self.query,
            headers: &self.headers,
            context: &self.context,
            stage_variables: &self.stage.variables,
        }
    }
}
