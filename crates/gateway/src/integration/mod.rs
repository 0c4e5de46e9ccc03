//! What stands behind a route, and how it is called (section 3).

mod endpoint;
mod mapping;
mod prepared;
mod stage_variables;

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use dunlin_events::{ProxyResult, limits};

use crate::{Backend, BackendError, api::Stage, clock::Time, invoke::Failure};

pub(crate) use endpoint::HttpClient;
pub use endpoint::HttpEndpoint;
pub use mapping::{IntegrationResponse, Mapping, Passthrough, Templates};
pub(crate) use prepared::{MappingInput, Prepared};

pub(crate) use stage_variables::expand;

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
pub(crate) enum Compiled {
    LambdaProxy(LambdaFunction),
    Lambda { function: LambdaFunction, mapping: CompiledMapping, asynchronous: bool },
    Http { endpoint: HttpEndpoint, mapping: Option<CompiledMapping> },
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
    /// Checks a configuration; the error says what is wrong with the route that has it.
    pub(crate) fn new(config: Integration) -> Result<Self, String> {
        match config {
            Integration::LambdaProxy(function) => {
                check_timeout(function.timeout)?;
                Ok(Compiled::LambdaProxy(function))
            }
            Integration::Lambda { function, mapping, asynchronous } => {
                check_timeout(function.timeout)?;
                Ok(Compiled::Lambda { function, mapping: CompiledMapping::new(mapping)?, asynchronous })
            }
            Integration::HttpProxy(endpoint) => {
                check_timeout(endpoint.timeout)?;
                Ok(Compiled::Http { endpoint: endpoint.checked()?, mapping: None })
            }
            Integration::Http { endpoint, mapping } => {
                check_timeout(endpoint.timeout)?;
                let mapping = Some(CompiledMapping::new(mapping)?);
                Ok(Compiled::Http { endpoint: endpoint.checked()?, mapping })
            }
            Integration::Mock(mapping) => Ok(Compiled::Mock(CompiledMapping::new(mapping)?)),
        }
    }

    /// Whether it wants the event of section 4, rather than what mappings look at.
    pub(crate) fn wants_event(&self) -> bool {
        matches!(self, Compiled::LambdaProxy(_))
    }

    /// Whether somebody else answers.
    pub(crate) fn is_remote(&self) -> bool {
        !matches!(self, Compiled::Mock(_))
    }

    /// The function behind it at a stage, if it is one.
    pub(crate) fn function(&self, stage: &Stage) -> Option<Cow<'_, str>> {
        match self {
            Compiled::LambdaProxy(function) | Compiled::Lambda { function, .. } => function.at(stage).ok(),
            Compiled::Http { .. } | Compiled::Mock(_) => None,
        }
    }

    /// The answer that it always gives, whatever the message.
    pub(crate) fn constant(&self) -> Option<ProxyResult> {
        match self {
            Compiled::Mock(mapping) => mapping.constant(),
            _ => None,
        }
    }

    /// The answer, if nobody needs to be waited for.
    pub(crate) fn answer_at_once(&self, prepared: &Prepared) -> Option<Result<ProxyResult, Failure>> {
        match (self, prepared) {
            (Compiled::Mock(mapping), Prepared::Mapped(input)) => Some(mock(mapping, input)),
            _ => None,
        }
    }

    /// Calls what stands behind the route, within its timeout.
    pub(crate) async fn call<B: Backend>(
        &self,
        means: &Means<'_, B>,
        prepared: Prepared,
    ) -> Result<ProxyResult, Failure> {
        match (self, prepared) {
            (Compiled::LambdaProxy(function), Prepared::Event(event)) => {
                let answer = function.invoke(means, event).await??;
                ProxyResult::from_answer(&answer).map_err(|error| Failure::Malformed(error.to_string()))
            }
            (Compiled::Lambda { function, mapping, asynchronous }, Prepared::Mapped(mut input)) => {
                let payload = Bytes::from(mapping.request(&mut input)?);
                if *asynchronous {
                    return function.hand_over(means, payload).await;
                }
                let answered = match function.invoke(means, payload).await? {
                    Ok(answer) => Answered::function(&answer)?,
                    Err(BackendError::FunctionError { message }) => Answered::function_error(message),
                    Err(error) => return Err(error.into()),
                };
                mapping.response(answered, &input)
            }
            (Compiled::Http { endpoint, mapping: None }, Prepared::Mapped(input)) => {
                let answered = means.http.call(means.time, endpoint, &input, input.body.clone()).await?;
                Ok(answered.into_result())
            }
            (Compiled::Http { endpoint, mapping: Some(mapping) }, Prepared::Mapped(mut input)) => {
                let body = mapping.request(&mut input)?;
                let answered = means.http.call(means.time, endpoint, &input, body).await?;
                mapping.response(answered, &input)
            }
            (Compiled::Mock(mapping), Prepared::Mapped(input)) => mock(mapping, &input),
            // What is prepared is what `wants_event` asks for.
            (_, Prepared::Event(_)) | (Compiled::LambdaProxy(_), Prepared::Mapped(_)) => {
                Err(Failure::Mapping("the integration was given something else than it takes".to_owned()))
            }
        }
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
fn mock(mapping: &CompiledMapping, input: &MappingInput) -> Result<ProxyResult, Failure> {
    let mut input = input.clone();
    let answer = mapping.request(&mut input)?;
    let status = mapping::mock_status(&answer).ok_or_else(|| {
        Failure::Mapping(
            "the template of a MOCK integration must give {\"statusCode\": 200} or the like".to_owned(),
        )
    })?;
    mapping.response(
        Answered { status, selected_by: status.to_string(), headers: Vec::new(), body: String::new() },
        &input,
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
