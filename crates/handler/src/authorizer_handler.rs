//! Functions that decide who may connect.

use std::{
    future::ready,
    sync::Arc,
    task::{Context, Poll},
};

use dunlin_events::limits::AUTHORIZER_RESULT_BYTES_MAX;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use tower::Service;

use crate::{
    Answer, Arguments, Decision, Function, FunctionError, HandlerError, IntoDecision, Limits, RawEvent,
    Request, field,
    invocation::{self, Running, Start},
    limits::Gate,
};

/// What the policy of a client is about that is refused before anyone knows who it is.
const UNKNOWN_PRINCIPAL: &str = "unknown";

/// The function of a REQUEST authorizer (facts A1–A5): it runs before `$connect`, and decides whether that runs.
///
/// Its handler takes what a route's handler takes, but for a message, and returns a [`Decision`]. How it ends is what the client's
/// handshake gets (fact H13):
///
/// | it returns | the client gets |
/// | --- | --- |
/// | [`Decision::allow`] | what `$connect` says |
/// | [`Decision::deny`], an error with status 4xx but 401 | 403 |
/// | an error with status 401 | 401 |
/// | any other error, a panic, no answer in time | 500 |
///
/// ```
/// use dunlin_handler::{AuthorizerHandler, Decision, HandlerError, QueryMap, State};
/// use dunlin_handler::testing::{TestEvent, send_authorizer};
///
/// // Browsers cannot set headers on a WebSocket: tokens come in the query (fact A8).
/// async fn authorize(State(secret): State<&'static str>, query: QueryMap) -> Result<Decision, HandlerError> {
///     let token = query.get("token").ok_or_else(|| HandlerError::unauthorized("a token is missing"))?;
///     match token.split_once('.') {
///         Some((user, signature)) if signature == secret => Ok(Decision::allow(user).context("tenant", "north")),
///         _ => Err(HandlerError::forbidden("the token is not ours")),
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut authorizer = AuthorizerHandler::new(authorize).with_state("s3cret");
///
/// let verdict = send_authorizer(&mut authorizer, TestEvent::authorizer_request().query("token", "ada.s3cret")).await;
/// assert!(verdict.is_allowed());
/// assert_eq!((verdict.principal_id(), verdict.context("tenant").unwrap().as_str()), (Some("ada"), Some("north")));
///
/// let verdict = send_authorizer(&mut authorizer, TestEvent::authorizer_request().query("token", "eve.guess")).await;
/// assert_eq!(verdict.refusal_status(), Some(403));
/// let verdict = send_authorizer(&mut authorizer, TestEvent::authorizer_request()).await;
/// assert_eq!(verdict.refusal_status(), Some(401));
/// # }
/// ```
pub struct AuthorizerHandler<S = ()> {
    start: Start<S, Decision>,
    gate: Gate,
}

impl<S: Send + Sync + 'static> AuthorizerHandler<S> {
    /// A function with this handler.
    pub fn new<Args, F>(handler: F) -> Self
    where
        F: Function<Args>,
        F::Running: Send,
        F::Output: IntoDecision,
        Args: Arguments<S>,
    {
        let start: Start<S, Decision> = Arc::new(move |request, state| {
            let running = handler.call(Args::from_request(request, state)?);
            Ok(Box::pin(async move { running.await.into_decision() }))
        });
        AuthorizerHandler { start, gate: Gate::default() }
    }

    /// Sets the bounds of its handler.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.gate = Gate::new(limits);
        self
    }

    /// Gives the handler its state.
    pub fn with_state(self, state: S) -> AuthorizerHandler<()> {
        AuthorizerHandler { start: invocation::bind(self.start, Arc::new(state)), gate: self.gate }
    }
}

impl<S> Clone for AuthorizerHandler<S> {
    fn clone(&self) -> Self {
        AuthorizerHandler { start: Arc::clone(&self.start), gate: self.gate.clone() }
    }
}

impl Service<RawEvent> for AuthorizerHandler<()> {
    type Response = Answer;
    type Error = FunctionError;
    type Future = BoxFuture<'static, Result<Answer, FunctionError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), FunctionError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, raw: RawEvent) -> Self::Future {
        match self.start(&raw) {
            Ok((method_arn, running)) => Box::pin(async move { finish(running.await, &method_arn) }),
            // An event that is none of an authorizer: nobody is let in or kept out by it.
            Err(error) => {
                error.log_for_nobody();
                Box::pin(ready(Err(FunctionError::new(&error))))
            }
        }
    }
}

impl AuthorizerHandler<()> {
    fn start(&self, raw: &RawEvent) -> Result<(String, Running<Decision>), HandlerError> {
        let method_arn = method_arn(raw.payload())?;
        let head = raw.head()?;
        let request = Request::websocket(raw, &head, &self.gate)?;
        request.record_span("$connect");
        Ok((method_arn, Running::start(&self.start, &request, &self.gate)))
    }
}

/// The part of the event that is an authorizer's alone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizerHead {
    method_arn: String,
}

fn method_arn(payload: &str) -> Result<String, HandlerError> {
    let head: AuthorizerHead = field::parse("the event", payload).map_err(HandlerError::invalid_event)?;
    if !head.method_arn.starts_with("arn:") {
        return Err(HandlerError::invalid_event("the event does not fit at `methodArn`: an ARN is expected"));
    }
    Ok(head.method_arn)
}

fn finish(outcome: Result<Decision, HandlerError>, method_arn: &str) -> Result<Answer, FunctionError> {
    let decided = outcome.or_else(|error| {
        error.log();
        match error.status_code() {
            401 => Err(FunctionError::unauthorized()),
            400..500 => Ok(Decision::deny(UNKNOWN_PRINCIPAL)),
            _ => Err(FunctionError::new(&error)),
        }
    })?;
    let answer = Answer::from_json(&decided.into_response(method_arn)).and_then(|answer| {
        match answer.as_str().len() {
            bytes if bytes > AUTHORIZER_RESULT_BYTES_MAX => Err(HandlerError::internal(format!(
                "the decision has {bytes} bytes, an authorizer's answer at most {AUTHORIZER_RESULT_BYTES_MAX}"
            ))),
            _ => Ok(answer),
        }
    });
    answer.map_err(|error| {
        error.log();
        FunctionError::new(&error)
    })
}
