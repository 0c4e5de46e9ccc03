//! How invocations end: by the process's answer, or by what became of the process.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use tokio::time::Instant;

use super::Environment;
use crate::{
    FunctionErrorKind,
    failure::Failure,
    memory,
    outstanding::{Answer, Outstanding, Refusal},
    platform_log::{Report, Status},
};

impl Environment {
    /// The process has answered an invocation.
    ///
    /// # Errors
    /// The invocation is not one that the process is at.
    pub(crate) fn answer(
        self: &Arc<Self>,
        request_id: &str,
        payload: Bytes,
        error: Option<FunctionErrorKind>,
    ) -> Result<(), Refusal> {
        let answered = Instant::now();
        let (outstanding, tail, offer, retired) = {
            let mut state = self.state();
            let outstanding = state.invocations.answered(request_id)?;
            state.idle_since = answered;
            if !state.extensions.are_ready() {
                state.extensions_due = Some(outstanding.deadline);
            }
            // A concurrent runtime has further polls open.
            state.polls.retain(|poll| !poll.is_closed());
            // Before the next event can begin.
            let tail = outstanding.log_tail.then(|| self.tail());
            let offer = self.claim_offer(&mut state);
            let retired = state.retired && state.invocations.is_empty();
            (outstanding, tail, offer, retired)
        };
        // The pool learns first: whoever gets the answer may send its next event at once.
        if let Some(function) = self.function() {
            function.finished(self);
        }
        if offer {
            self.offer();
        }
        let (status, error_type) = match error {
            None => (Status::Success, None),
            Some(FunctionErrorKind::ResponseTooLarge) => Failure::ResponseTooLarge.status(),
            Some(_) => (Status::Error, None),
        };
        let duration = answered.duration_since(outstanding.started);
        self.conclude(outstanding, payload, error, tail, (duration, status, error_type));
        if retired {
            self.stop.cancel();
        }
        Ok(())
    }

    /// Tells whoever waits for an invocation that it has failed. The environment has let go of it before.
    pub(crate) fn fail(&self, outstanding: Outstanding, failure: &Failure, now: SystemTime) {
        let payload = failure.payload(&outstanding.request_id, now);
        let tail = outstanding.log_tail.then(|| self.tail());
        let (status, error_type) = failure.status();
        let ended = (outstanding.started.elapsed(), status, error_type);
        self.conclude(outstanding, payload, Some(failure.kind()), tail, ended);
    }

    fn conclude(
        &self,
        outstanding: Outstanding,
        payload: Bytes,
        error: Option<FunctionErrorKind>,
        tail: Option<Vec<u8>>,
        (duration, status, error_type): (Duration, Status, Option<&'static str>),
    ) {
        let Outstanding { request_id, answer, slot, init_duration, .. } = outstanding;
        let report = Report { status, error_type, duration, init_duration, produced: payload.len() };
        let peak_mb = || memory::peak_mb(self.process.pid());
        let log_tail = tail.map(|own| self.platform_log.tail(&own, &request_id, &report, peak_mb()));
        // Room for whatever follows upon the answer.
        drop(slot);
        // Whoever asked may be gone.
        drop(answer.send(Answer { payload, error, log_tail, duration, init_duration }));
        self.platform_log.ended(&self.output, &request_id, &report, peak_mb);
    }

    /// What the process has printed since the invocation began. Lines of several at a time cannot be told apart.
    fn tail(&self) -> Vec<u8> {
        if self.concurrency == 1 { self.output.tail() } else { Vec::new() }
    }

    /// Whether the process is at that invocation.
    ///
    /// # Errors
    /// Why it is not.
    pub(crate) fn check_at(&self, request_id: &str) -> Result<(), Refusal> {
        self.state().invocations.check(request_id)
    }
}
