use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{Backend, BackendError, gateway::Gateway};

/// What becomes of one call to a function.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct CallPlan {
    /// Passes before the function is called, on the integration's own time.
    pub(super) delay: Duration,
    /// Whether no environment is warm for it.
    pub(super) is_cold: bool,
    pub(super) outcome: Outcome,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) enum Outcome {
    /// What the function does.
    #[default]
    Own,
    /// It throws; the rule that says so is named in the message.
    Error(String),
    Throttle,
    /// Its environment dies over it.
    Crash,
}

/// The gateway's back end, on a bad day.
pub(crate) struct Faulty<B> {
    pub(crate) gateway: Arc<Gateway<B>>,
    pub(crate) plan: CallPlan,
}

impl<B: Backend> Faulty<B> {
    /// What comes before the call, and perhaps instead of it.
    async fn before(&self, function: &str) -> Result<(), BackendError> {
        if !self.plan.delay.is_zero() {
            self.gateway.time.sleep(self.plan.delay).await;
        }
        if self.plan.is_cold {
            self.gateway.backend.retire(function).await;
        }
        match &self.plan.outcome {
            Outcome::Own | Outcome::Crash => Ok(()),
            Outcome::Throttle => Err(BackendError::Throttled),
            Outcome::Error(rule) => {
                Err(BackendError::FunctionError { message: format!("the fault rule {rule} asks for it") })
            }
        }
    }
}

impl<B: Backend> Backend for Faulty<B> {
    async fn invoke(&self, function: &str, payload: Bytes) -> Result<Bytes, BackendError> {
        self.before(function).await?;
        match self.plan.outcome {
            Outcome::Crash => self.gateway.backend.crash(function, payload).await,
            _ => self.gateway.backend.invoke(function, payload).await,
        }
    }

    async fn invoke_event(&self, function: &str, payload: Bytes) -> Result<(), BackendError> {
        self.before(function).await?;
        match self.plan.outcome {
            // Nobody waits for the answer of such a call, and so nobody learns of the crash.
            Outcome::Crash => self.gateway.backend.crash(function, payload).await.map(drop).or(Ok(())),
            _ => self.gateway.backend.invoke_event(function, payload).await,
        }
    }
}
