//! The parsers of bytes from outside, as `dunlin-fuzz` drives them. Hidden, and nothing here is promised to anybody else.
//!
//! It is no feature: the workspace is built with one feature set, so that a feature would be on everywhere, and saying that it is a
//! choice would be a lie.

use std::{
    io,
    ops::ControlFlow,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::FutureExt;
use tokio::io::{AsyncRead, ReadBuf};

use crate::{
    ApiConfig, ModelConfig, RequestModels, StageConfig,
    api::Api,
    host::Door,
    inbound::{Inbound, Received},
    management::Target,
    model::Models,
    registry::parse_id,
    selection::SelectionExpression,
};

/// The head of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// As sent.
    pub method: String,
    /// As sent.
    pub target: String,
    /// Not 1.0.
    pub is_http_11: bool,
    /// Names as sent, and values.
    pub headers: Vec<(String, String)>,
    /// What came behind it.
    pub rest: Vec<u8>,
}

/// Reads the head of a request that comes in these pieces; none if it is refused or incomplete.
pub fn head(pieces: &[&[u8]]) -> Option<Head> {
    let mut pieces = Pieces { now: &[], later: pieces };
    let head = crate::head::Head::read(&mut pieces, Vec::new()).now_or_never()?.ok()?;
    let headers = head.headers().map(|(name, value)| (name.to_owned(), value.into_owned())).collect();
    let (method, target) = (head.method().to_owned(), head.target().to_owned());
    let is_http_11 = head.is_http_11();
    let mut rest = head.into_rest();
    rest.extend_from_slice(pieces.now);
    rest.extend(pieces.later.concat());
    Some(Head { method, target, is_http_11, headers, rest })
}

/// At most one piece a read; never has to wait.
struct Pieces<'p> {
    now: &'p [u8],
    later: &'p [&'p [u8]],
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.now.is_empty() {
            let Some((next, later)) = self.later.split_first() else { break };
            (self.now, self.later) = (next, later);
        }
        let (taken, left) = self.now.split_at(self.now.len().min(buffer.remaining()));
        buffer.put_slice(taken);
        self.now = left;
        Poll::Ready(Ok(()))
    }
}

/// What a client's frames come to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// A message.
    Text(String),
    /// A ping with its payload.
    Ping(Vec<u8>),
    /// A close frame with its code and reason.
    Close(Option<(u16, String)>),
    /// A rule was broken, and the connection is closed with this code.
    Violation(u16),
}

/// Everything that comes of a client's bytes in these pieces, up to a close or a violation.
pub fn frames(pieces: &[&[u8]]) -> Vec<Heard> {
    let mut inbound = Inbound::default();
    let mut heard = Vec::new();
    for piece in pieces {
        let flow = inbound.feed(&mut piece.to_vec(), |received| {
            match received {
                Received::Nothing => {}
                Received::Text(text) => heard.push(Heard::Text(text.into_owned())),
                Received::Ping(payload) => heard.push(Heard::Ping(payload.to_vec())),
                Received::Close(said) => {
                    heard.push(Heard::Close(said.map(|(code, reason)| (code, reason.into_owned()))));
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        });
        match flow {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => break,
            Err(cause) => {
                heard.push(Heard::Violation(cause.code()));
                break;
            }
        }
    }
    heard
}

/// The route key that an expression yields for a message.
///
/// # Errors
/// If the text is no expression.
pub fn route_key(expression: &str, message: &str) -> Result<Option<String>, String> {
    let expression = SelectionExpression::parse(expression)?;
    Ok(expression.evaluate(message).map(std::borrow::Cow::into_owned))
}

/// What a JSONPath of mapping templates finds in a text.
pub fn json_path(text: &str, path: &str) -> Option<String> {
    crate::velocity::json_path(text, path)
}

/// Whether a message fits a model; if not, what is logged about it.
///
/// # Errors
/// If the schema is none.
pub fn model(schema: &serde_json::Value, message: &str) -> Result<Result<(), String>, String> {
    let config = ModelConfig { name: "Model".to_owned(), schema: schema.clone() };
    let models = Models::compile("a1b2c3d4e5", vec![config], false).map_err(|error| error.to_string())?;
    let by_key = vec![("$default".to_owned(), "Model".to_owned())];
    let check = models.check(RequestModels { selection: r"\$default".to_owned(), by_key })?;
    Ok(check.check(message).map_err(|failure| failure.to_string()))
}

/// Reads paths of management calls of an API with the stage `dev`.
#[derive(Debug)]
pub struct ManagementPaths(Arc<Api>);

impl Default for ManagementPaths {
    fn default() -> Self {
        let mut config = ApiConfig::new("a1b2c3d4e5", "$request.body.action");
        config.stages.push(StageConfig::new("dev"));
        ManagementPaths(Arc::new(Api::compile(config).expect("an API of one stage is valid")))
    }
}

impl ManagementPaths {
    /// The connection that a path names, and whether its id has the service's form.
    pub fn connection(&self, path: &str) -> Option<(String, bool)> {
        let way = Door::Api(&self.0).lead(path)?;
        let id = Target::parse(&way)?.connection_id().to_owned();
        let is_well_formed = parse_id(&id).is_some();
        Some((id, is_well_formed))
    }
}
