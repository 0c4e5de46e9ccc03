use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use tokio::{sync::oneshot, time::Instant};

use crate::{FunctionErrorKind, RequestId, concurrency::Slot};

/// An invocation that a process is at.
pub(crate) struct Outstanding {
    pub(crate) request_id: RequestId,
    pub(crate) answer: oneshot::Sender<Answer>,
    pub(crate) slot: Slot,
    pub(crate) log_tail: bool,
    pub(crate) started: Instant,
    pub(crate) deadline: Instant,
    pub(crate) init_duration: Option<Duration>,
}

/// How an invocation ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) payload: Bytes,
    pub(crate) error: Option<FunctionErrorKind>,
    /// `None` if nobody asked for it.
    pub(crate) log_tail: Option<String>,
    pub(crate) duration: Duration,
    pub(crate) init_duration: Option<Duration>,
}

/// Why the process's call is refused (P3, P4).
#[derive(Debug, PartialEq)]
pub(crate) enum Refusal {
    /// There is no such invocation, or not any more: 400.
    UnknownInvocation,
    /// Not at this point: 403.
    WrongState,
    /// The invocation's time is over: 410.
    TooLate,
}

/// All invocations that a process is at: as many as its runtime takes at a time, which is one nearly everywhere.
pub(crate) struct InFlight {
    concurrency: usize,
    outstanding: Vec<Outstanding>,
    /// The last invocation that was answered, until the next one begins.
    answered: Option<RequestId>,
    /// Invocations whose deadline has passed and whose answer may still come, oldest first. Only where several run at a
    /// time: elsewhere the process is ended.
    expired: VecDeque<RequestId>,
}

impl InFlight {
    pub(crate) fn new(concurrency: usize) -> Self {
        Self { concurrency, outstanding: Vec::new(), answered: None, expired: VecDeque::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.outstanding.is_empty()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.outstanding.len() < self.concurrency
    }

    pub(crate) fn begin(&mut self, outstanding: Outstanding) {
        self.answered = None;
        self.outstanding.push(outstanding);
    }

    /// Whether the process is at that invocation.
    ///
    /// # Errors
    /// Why it is not.
    pub(crate) fn check(&self, request_id: &str) -> Result<(), Refusal> {
        self.at(request_id).map(drop)
    }

    /// The process has answered an invocation.
    ///
    /// # Errors
    /// It is not at that one.
    pub(crate) fn answered(&mut self, request_id: &str) -> Result<Outstanding, Refusal> {
        let outstanding = self.outstanding.swap_remove(self.at(request_id)?);
        self.answered = Some(outstanding.request_id.clone());
        Ok(outstanding)
    }

    /// Those whose time is over.
    pub(crate) fn take_late(&mut self, now: Instant) -> Vec<Outstanding> {
        let late: Vec<_> = self.outstanding.extract_if(.., |invocation| now >= invocation.deadline).collect();
        if self.concurrency > 1 {
            self.expired.extend(late.iter().map(|invocation| invocation.request_id.clone()));
            // No more can be stuck in the process at a time.
            let surplus = self.expired.len().saturating_sub(self.concurrency);
            self.expired.drain(..surplus);
        }
        late
    }

    pub(crate) fn take_all(&mut self) -> Vec<Outstanding> {
        std::mem::take(&mut self.outstanding)
    }

    pub(crate) fn first_deadline(&self) -> Option<Instant> {
        self.outstanding.iter().map(|invocation| invocation.deadline).min()
    }

    fn at(&self, request_id: &str) -> Result<usize, Refusal> {
        let is_it = |id: &RequestId| id.as_str() == request_id;
        if let Some(at) = self.outstanding.iter().position(|invocation| is_it(&invocation.request_id)) {
            return Ok(at);
        }
        Err(if self.expired.iter().any(is_it) {
            Refusal::TooLate
        } else if self.answered.as_ref().is_some_and(is_it) {
            Refusal::WrongState
        } else {
            Refusal::UnknownInvocation
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::concurrency::Bound;

    fn id(seed: u8) -> RequestId {
        let random: crate::RandomBytes = Arc::new(move |buffer| buffer.fill(seed));
        RequestId::random(&random)
    }

    fn outstanding(seed: u8, deadline: Instant) -> Outstanding {
        Outstanding {
            request_id: id(seed),
            answer: oneshot::channel().0,
            slot: Bound::new(1).take().unwrap(),
            log_tail: false,
            started: deadline,
            deadline,
            init_duration: None,
        }
    }

    #[test]
    fn answers_are_matched_by_their_id() {
        let now = Instant::now();
        let mut invocations = InFlight::new(3);
        for seed in [1, 2, 3] {
            assert!(invocations.has_room());
            invocations.begin(outstanding(seed, now));
        }
        assert!(!invocations.has_room());
        assert_eq!(invocations.answered(id(2).as_str()).unwrap().request_id, id(2));
        assert_eq!(invocations.check(id(2).as_str()), Err(Refusal::WrongState));
        assert_eq!(invocations.check("other"), Err(Refusal::UnknownInvocation));
        assert_eq!(invocations.answered(id(3).as_str()).unwrap().request_id, id(3));
        assert_eq!(invocations.check(id(1).as_str()), Ok(()));
    }

    #[test]
    fn an_answer_that_comes_too_late_is_known_as_such() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let mut invocations = InFlight::new(2);
        invocations.begin(outstanding(1, now));
        invocations.begin(outstanding(2, later));
        assert_eq!(invocations.first_deadline(), Some(now));
        assert_eq!(invocations.take_late(now).len(), 1);
        assert_eq!(invocations.check(id(1).as_str()), Err(Refusal::TooLate));
        assert_eq!(invocations.check(id(2).as_str()), Ok(()));
        // It is remembered for as many as can be stuck.
        invocations.begin(outstanding(3, now));
        invocations.begin(outstanding(4, now));
        assert_eq!(invocations.take_late(now).len(), 2);
        assert_eq!(invocations.check(id(1).as_str()), Err(Refusal::UnknownInvocation));
    }
}
