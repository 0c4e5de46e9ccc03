//! What stands behind a route, and how it is called (section 3).

mod context;
mod endpoint;
mod mapping;
mod prepared;
mod source;
mod stage_variables;

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use dunlin_events::{ProxyResult, limits};

use crate::{
    Backend, BackendError,
    api::Stage,
    clock::Time,
    content::{self, ContentHandling},
    invoke::Failure,
};

pub(crate) use context::Context;
pub(crate) use endpoint::HttpClient;
pub use endpoint::HttpEndpoint;
pub use mapping::{IntegrationResponse, Mapping, Passthrough, Templates};
pub(crate) use prepared::{MappingInput, Prepared};

pub(crate) use stage_variables::expand;

use endpoint::Endpoint;
use mapping::{Answered, CompiledMapping};

/// What stands behind a route.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Integration {
    /// `AWS_PROXY`: a function gets the event and returns a proxy result.
    LambdaProxy(LambdaFunction),
    /// `AWS`, to a function: it gets what the request template makes, and integration responses turn its answer around.
    Lambda {
        /// The function.
        function: LambdaFunction,
        /// What it gets, and what the client gets.
        mapping: Mapping,
        /// Whether the gateway only hands the event over: `X-Amz-Invocation-Type: 'Event'` (G8).
        asynchronous: bool,
    },
    /// `HTTP_PROXY`: an endpoint gets the message and its answer is the frame.
    HttpProxy(HttpEndpoint),
    /// `HTTP`: an endpoint, with mappings on both ways.
    Http {
        /// The endpoint.
        endpoint: HttpEndpoint,
        /// What it gets, and what the client gets.
        mapping: Mapping,
    },
    /// `MOCK`: nothing stands behind the route; templates make the answer.
    Mock(Mapping),
}

/// A function behind a route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LambdaFunction {
    /// Name or ARN, as the back end knows it; `${stageVariables.name}` in it stands for a variable of the stage.
    pub function: String,
    /// Between 50 ms and 29 s (G1).
    pub timeout: Duration,
    /// From which stages the function's policy lets this API invoke it by this route (G9).
    pub permitted: Permitted,
}

impl LambdaFunction {
    /// A function that may be invoked, and has the longest time.
    pub fn new(function: impl Into<String>) -> Self {
        LambdaFunction {
            function: function.into(),
            timeout: limits::INTEGRATION_TIMEOUT_MAX,
            permitted: Permitted::Everywhere,
        }
    }
}

/// From which stages a function may be invoked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Permitted {
    /// From all.
    #[default]
    Everywhere,
    /// From these alone, by their names; perhaps from none.
    From(Vec<String>),
}

impl Permitted {
    pub(crate) fn allows(&self, stage: &str) -> bool {
        match self {
            Permitted::Everywhere => true,
            Permitted::From(stages) => stages.iter().any(|name| name == stage),
        }
    }
}

/// [`Integration`], checked.
#[derive(Debug)]
pub(crate) struct Compiled {
    kind: Kind,
    content: Option<ContentHandling>,
}

#[derive(Debug)]
enum Kind {
    LambdaProxy(LambdaFunction),
    Lambda { function: LambdaFunction, mapping: CompiledMapping, asynchronous: bool },
    Http { endpoint: Endpoint, mapping: Option<CompiledMapping> },
    Mock(CompiledMapping),
}

/// What calls are made with.
pub(crate) struct Means<'a, B> {
    pub(crate) backend: &'a B,
    pub(crate) http: &'a HttpClient,
    pub(crate) time: &'a Time,
    pub(crate) stage: &'a Stage,
}

impl Compiled {
    /// Checks a configuration; the error says what is wrong with the route that has it. `must_answer`: somebody waits for what
    /// an integration response makes of its answer.
    pub(crate) fn new(
        config: Integration,
        content: Option<ContentHandling>,
        must_answer: bool,
    ) -> Result<Self, String> {
        let kind = match config {
            Integration::LambdaProxy(function) => {
                check_timeout(function.timeout)?;
                Kind::LambdaProxy(function)
            }
            Integration::Lambda { function, mapping, asynchronous } => {
                check_timeout(function.timeout)?;
                Kind::Lambda { function, mapping: CompiledMapping::new(mapping, must_answer)?, asynchronous }
            }
            Integration::HttpProxy(endpoint) => {
                check_timeout(endpoint.timeout)?;
                Kind::Http { endpoint: endpoint.checked()?, mapping: None }
            }
            Integration::Http { endpoint, mapping } => {
                check_timeout(endpoint.timeout)?;
                let mapping = Some(CompiledMapping::new(mapping, must_answer)?);
                Kind::Http { endpoint: endpoint.checked()?, mapping }
            }
            Integration::Mock(mapping) => Kind::Mock(CompiledMapping::new(mapping, must_answer)?),
        };
        Ok(Compiled { kind, content })
    }

    /// Whether it wants the event of section 4, rather than what mappings look at.
    pub(crate) fn wants_event(&self) -> bool {
        matches!(self.kind, Kind::LambdaProxy(_))
    }

    /// Whether it may call somebody with TLS.
    pub(crate) fn may_need_tls(&self) -> bool {
        matches!(&self.kind, Kind::Http { endpoint, .. } if endpoint.may_need_tls())
    }

    /// Whether messages are base64 to it, and not text (R11).
    pub(crate) fn takes_binary(&self) -> bool {
        self.content == Some(ContentHandling::ToBinary)
    }

    /// Whether somebody else answers.
    pub(crate) fn is_remote(&self) -> bool {
        !matches!(self.kind, Kind::Mock(_))
    }

    /// The function behind it at a stage, if it is one.
    pub(crate) fn function(&self, stage: &Stage) -> Option<Cow<'_, str>> {
        match &self.kind {
            Kind::LambdaProxy(function) | Kind::Lambda { function, .. } => function.at(stage).ok(),
            Kind::Http { .. } | Kind::Mock(_) => None,
        }
    }

    /// The answer that it always gives, whatever the message.
    pub(crate) fn constant(&self) -> Option<ProxyResult> {
        match &self.kind {
            Kind::Mock(mapping) => mapping.constant(),
            _ => None,
        }
    }

    /// The answer, if nobody needs to be waited for.
    pub(crate) fn answer_at_once(&self, prepared: &mut Prepared) -> Option<Result<ProxyResult, Failure>> {
        match (&self.kind, prepared) {
            (Kind::Mock(mapping), Prepared::Mapped(input)) => Some(mock(mapping, input)),
            _ => None,
        }
    }

    /// Calls what stands behind the route, within its timeout.
    pub(crate) async fn call<B: Backend>(
        &self,
        means: &Means<'_, B>,
        prepared: Prepared,
    ) -> Result<ProxyResult, Failure> {
        match (&self.kind, prepared) {
            (Kind::LambdaProxy(function), Prepared::Event(event)) => {
                let answer = function.invoke(means, event).await??;
                ProxyResult::from_answer(&answer).map_err(|error| Failure::Malformed(error.to_string()))
            }
            (Kind::Lambda { function, mapping, asynchronous }, Prepared::Mapped(mut input)) => {
                let payload = self.payload(mapping.request(&mut input)?)?;
                if *asynchronous {
                    return function.hand_over(means, payload).await;
                }
                let answered = match function.invoke(means, payload).await? {
                    Ok(answer) => Answered::function(answer),
                    Err(BackendError::FunctionError { message }) => Answered::function_error(message),
                    Err(error) => return Err(error.into()),
                };
                mapping.response(answered, &input)
            }
            (Kind::Http { endpoint, mapping: None }, Prepared::Mapped(input)) => {
                let payload = self.payload(input.body.clone())?;
                means.http.call(means.time, endpoint, &input, payload).await?.into_result()
            }
            (Kind::Http { endpoint, mapping: Some(mapping) }, Prepared::Mapped(mut input)) => {
                let payload = self.payload(mapping.request(&mut input)?)?;
                let answered = means.http.call(means.time, endpoint, &input, payload).await?;
                mapping.response(answered, &input)
            }
            (Kind::Mock(mapping), Prepared::Mapped(mut input)) => mock(mapping, &mut input),
            (_, Prepared::NotBase64(problem)) => Err(Failure::Mapping(format!("the message: {problem}"))),
            // What is prepared is what `wants_event` asks for.
            (_, Prepared::Event(_)) | (Kind::LambdaProxy(_), Prepared::Mapped(_)) => {
                Err(Failure::Mapping("the integration was given something else than it takes".to_owned()))
            }
        }
    }

    fn payload(&self, text: String) -> Result<Bytes, Failure> {
        content::for_back_end(self.content, text)
            .map_err(|problem| Failure::Mapping(format!("the payload for the back end: {problem}")))
    }
}

impl LambdaFunction {
    /// The function that this is at a stage, if it may be invoked from there.
    fn at(&self, stage: &Stage) -> Result<Cow<'_, str>, Failure> {
        if !self.permitted.allows(&stage.name) {
            return Err(Failure::NotPermitted);
        }
        expand(&self.function, &stage.variables)
            .map_err(|name| Failure::Mapping(format!("stage {} has no variable {name}", stage.name)))
    }

    async fn invoke<B: Backend>(
        &self,
        means: &Means<'_, B>,
        payload: Bytes,
    ) -> Result<Result<Bytes, BackendError>, Failure> {
        let function = self.at(means.stage)?;
        let answer = means.time.timeout(self.timeout, means.backend.invoke(&function, payload));
        answer.await.ok_or(Failure::TimedOut)
    }

    async fn hand_over<B: Backend>(
        &self,
        means: &Means<'_, B>,
        payload: Bytes,
    ) -> Result<ProxyResult, Failure> {
        let function = self.at(means.stage)?;
        let accepted = means.time.timeout(self.timeout, means.backend.invoke_event(&function, payload));
        accepted.await.ok_or(Failure::TimedOut)??;
        Ok(ProxyResult::status(200))
    }
}

/// The template's own answer: a JSON object with a `statusCode`, which integration responses are chosen by.
fn mock(mapping: &CompiledMapping, input: &mut MappingInput) -> Result<ProxyResult, Failure> {
    let answer = mapping.request(input)?;
    let status = mapping::mock_status(&answer).ok_or_else(|| {
        Failure::Mapping(
            "the template of a MOCK integration must give {\"statusCode\": 200} or the like".to_owned(),
        )
    })?;
    mapping.response(
        Answered { status, selected_by: status.to_string(), headers: Vec::new(), body: Bytes::new() },
        input,
    )
}

fn check_timeout(timeout: Duration) -> Result<(), String> {
    let (min, max) = (limits::INTEGRATION_TIMEOUT_MIN, limits::INTEGRATION_TIMEOUT_MAX);
    if (min..=max).contains(&timeout) {
        return Ok(());
    }
    let (given, min, max) = (timeout.as_millis(), min.as_millis(), max.as_millis());
    Err(format!("has an integration timeout of {given} ms; {min} to {max} ms are allowed"))
}
