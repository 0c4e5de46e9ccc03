//! Between the runtime's types and the handler's.

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime},
};

use dunlin_handler::{Answer, BoxError, FunctionError, RawEvent};
use lambda_runtime::{Diagnostic, LambdaEvent};
use serde_json::value::RawValue;
use tower::Service;

/// The error type that a caller sees when a layer around the router failed.
pub const SERVICE_ERROR_TYPE: &str = "Service.Failed";

/// A service of the handler's types as the runtime calls it.
#[derive(Clone)]
pub(crate) struct Bridge<S>(pub(crate) S);

impl<S> Service<LambdaEvent<Box<RawValue>>> for Bridge<S>
where
    S: Service<RawEvent, Response = Answer>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = Box<RawValue>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Box<RawValue>, Failure>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.0.poll_ready(cx).map_err(Failure::new)
    }

    fn call(&mut self, event: LambdaEvent<Box<RawValue>>) -> Self::Future {
        let (payload, context) = event.into_parts();
        let deadline = deadline(context.deadline(), SystemTime::now(), Instant::now());
        let raw = RawEvent::from(payload).deadline(deadline).invocation_id(context.request_id);
        let answer = self.0.call(raw);
        Box::pin(async move { answer.await.map(Answer::into_raw_value).map_err(Failure::new) })
    }
}

/// The wall-clock deadline on the clock that does not jump; now, if it has passed.
fn deadline(deadline: SystemTime, wall_now: SystemTime, now: Instant) -> Instant {
    let left = deadline.duration_since(wall_now).unwrap_or(Duration::ZERO);
    now.checked_add(left).unwrap_or(now)
}

/// A failed invocation, under a fixed name: the runtime would report the name of a Rust type.
pub(crate) struct Failure {
    error_type: &'static str,
    message: String,
}

impl Failure {
    fn new(error: impl Into<BoxError>) -> Self {
        let error: BoxError = error.into();
        let ours = error.downcast_ref::<FunctionError>().is_some();
        let error_type = if ours { FunctionError::ERROR_TYPE } else { SERVICE_ERROR_TYPE };
        Failure { error_type, message: with_causes(error.as_ref()) }
    }
}

/// The runtime logs the failure in this form.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error_type, self.message)
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Diagnostic { error_type: failure.error_type.to_owned(), error_message: failure.message }
    }
}

fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use dunlin_handler::{Deadline, EventHandler, HandlerError, Json, Payload, RequestId};
    use lambda_runtime::Context as LambdaContext;
    use tower::{ServiceExt, service_fn};

    fn event(payload: &str, id: &str, deadline: Duration) -> LambdaEvent<Box<RawValue>> {
        let mut context = LambdaContext::default();
        context.request_id = id.to_owned();
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() + deadline;
        context.deadline = u64::try_from(since_epoch.as_millis()).unwrap();
        LambdaEvent::new(RawValue::from_string(payload.to_owned()).unwrap(), context)
    }

    async fn double(
        Payload(number): Payload<u32>,
        Deadline(deadline): Deadline,
        id: RequestId,
    ) -> Result<Json<u32>, HandlerError> {
        let left = deadline.unwrap().duration_since(Instant::now());
        assert!(left > Duration::from_secs(50) && left <= Duration::from_secs(60), "{left:?}");
        assert_eq!(id.0, "i1");
        number.checked_mul(2).map(Json).ok_or_else(|| HandlerError::internal("too large"))
    }

    #[tokio::test]
    async fn event_deadline_and_id_go_in_and_raw_json_comes_out() {
        let mut bridge = Bridge(EventHandler::new(double).with_state(()));
        let answer = bridge.ready().await.unwrap().call(event("21", "i1", Duration::from_secs(60))).await;
        assert_eq!(answer.unwrap().get(), "42");
    }

    #[tokio::test]
    async fn failures_have_fixed_types() {
        let mut bridge = Bridge(EventHandler::new(double).with_state(()));
        let failure = bridge.call(event("4294967295", "i1", Duration::from_secs(60))).await.unwrap_err();
        let diagnostic = Diagnostic::from(failure);
        assert_eq!(diagnostic.error_type, "Handler.Failed");
        assert!(!diagnostic.error_message.contains("too large"), "{}", diagnostic.error_message);

        let mut layered =
            Bridge(service_fn(async |_: RawEvent| Err::<Answer, _>(std::io::Error::other("timed out"))));
        let failure = layered.call(event("1", "i1", Duration::ZERO)).await.unwrap_err();
        assert_eq!(format!("{failure:?}"), "Service.Failed: timed out");
    }

    /// The gateway answers 401 to this word alone (fact H13), so nothing may be put around it.
    #[tokio::test]
    async fn an_authorizer_says_unauthorized_and_nothing_else() {
        use dunlin_handler::{AuthorizerHandler, Decision, testing::TestEvent};
        async fn nobody() -> Result<Decision, HandlerError> {
            Err(HandlerError::unauthorized("the token is from yesterday"))
        }
        let mut bridge = Bridge(AuthorizerHandler::new(nobody).with_state(()));
        let asked = RawEvent::from(TestEvent::authorizer_request());
        let failure = bridge.call(event(asked.payload(), "i1", Duration::from_secs(60))).await.unwrap_err();
        assert_eq!(Diagnostic::from(failure).error_message, "Unauthorized");
    }

    #[test]
    fn a_deadline_that_passed_is_now() {
        let (wall, now) = (SystemTime::UNIX_EPOCH + Duration::from_secs(100), Instant::now());
        assert_eq!(deadline(wall - Duration::from_secs(1), wall, now), now);
        assert_eq!(deadline(wall + Duration::from_secs(1), wall, now), now + Duration::from_secs(1));
    }
}
