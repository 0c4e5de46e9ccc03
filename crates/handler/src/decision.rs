//! What an authorizer decides.

use std::collections::BTreeMap;

use dunlin_events::{AuthorizerResponse, Effect, PolicyDocument};
use serde_json::{Number, Value};

use crate::HandlerError;

/// Whether a client may connect, as whom, and what the routes learn of that.
///
/// The policy that the service wants is made of it with the event's own method ARN: one that is written by hand easily does not
/// cover `$connect`, and refuses everyone (fact A4).
///
/// ```
/// use dunlin_handler::Decision;
///
/// let decision = Decision::allow("user-42").context("tenant", "north").context("level", 7).context("admin", false);
/// let response = decision.into_response("arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/$connect");
/// assert_eq!(
///     serde_json::to_string(&response)?,
///     concat!(
///         r#"{"principalId":"user-42","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","#,
///         r#""Effect":"Allow","Resource":"arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/$connect"}]},"#,
///         r#""context":{"admin":false,"level":7,"tenant":"north"}}"#,
///     ),
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Decision {
    effect: Effect,
    principal_id: String,
    context: BTreeMap<String, Value>,
    usage_identifier_key: Option<String>,
}

impl Decision {
    /// The client may connect, as this principal.
    pub fn allow(principal_id: impl Into<String>) -> Self {
        Decision::new(Effect::Allow, principal_id.into())
    }

    /// The client is known as this principal, and may not connect: it gets 403 (fact H13).
    pub fn deny(principal_id: impl Into<String>) -> Self {
        Decision::new(Effect::Deny, principal_id.into())
    }

    fn new(effect: Effect, principal_id: String) -> Self {
        Decision { effect, principal_id, context: BTreeMap::new(), usage_identifier_key: None }
    }

    /// Adds an entry that every event of the connection then carries, as a text whatever it is here (fact A5). Routes read it with
    /// [`Authorizer`](crate::Authorizer).
    #[must_use]
    pub fn context(mut self, key: impl Into<String>, value: impl Into<ContextValue>) -> Self {
        self.context.insert(key.into(), value.into().0);
        self
    }

    /// Sets the API key, for an API that takes it from its authorizer (fact A10).
    #[must_use]
    pub fn usage_identifier_key(mut self, key: impl Into<String>) -> Self {
        self.usage_identifier_key = Some(key.into());
        self
    }

    /// The answer that the service wants, about this ARN: the `methodArn` of the event.
    pub fn into_response(self, method_arn: &str) -> AuthorizerResponse {
        AuthorizerResponse {
            principal_id: self.principal_id,
            policy_document: PolicyDocument::about(self.effect, method_arn),
            context: Some(self.context).filter(|context| !context.is_empty()),
            usage_identifier_key: self.usage_identifier_key,
        }
    }
}

/// A value in the context of a [`Decision`]: a text, a number or a boolean. The service takes nothing else (fact A3).
#[derive(Clone, PartialEq, Debug)]
pub struct ContextValue(Value);

impl From<&str> for ContextValue {
    fn from(text: &str) -> Self {
        ContextValue(text.into())
    }
}

impl From<String> for ContextValue {
    fn from(text: String) -> Self {
        ContextValue(text.into())
    }
}

impl From<bool> for ContextValue {
    fn from(value: bool) -> Self {
        ContextValue(value.into())
    }
}

impl From<f64> for ContextValue {
    /// What is no number in JSON becomes a text.
    fn from(number: f64) -> Self {
        ContextValue(Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number))
    }
}

macro_rules! integers {
    ($($integer:ty),*) => {
        $(impl From<$integer> for ContextValue {
            fn from(number: $integer) -> Self {
                ContextValue(number.into())
            }
        })*
    };
}

integers!(u8, u16, u32, u64, i8, i16, i32, i64);

/// What the function of an authorizer may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a decision of an authorizer",
    label = "not a decision",
    note = "return a `Decision`, or `Result<Decision, HandlerError>`"
)]
pub trait IntoDecision {
    /// Turns it into the decision.
    ///
    /// # Errors
    /// The function's own error: [`AuthorizerHandler`](crate::AuthorizerHandler) says what becomes of it.
    fn into_decision(self) -> Result<Decision, HandlerError>;
}

impl IntoDecision for Decision {
    fn into_decision(self) -> Result<Decision, HandlerError> {
        Ok(self)
    }
}

impl<T: IntoDecision, E: Into<HandlerError>> IntoDecision for Result<T, E> {
    fn into_decision(self) -> Result<Decision, HandlerError> {
        self.map_err(Into::into)?.into_decision()
    }
}
