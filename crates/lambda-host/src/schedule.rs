use std::time::Duration;

use dunlin_events::limits::{ASYNC_RETRY_DELAYS, ASYNC_THROTTLE_DELAY_MAX, ASYNC_THROTTLE_DELAY_MIN};

use crate::EventInvokeConfig;

/// When an asynchronous invocation is tried again (N8): the service's waits, divided. It has no clock; it is told the age
/// of the event.
pub(crate) struct Schedule {
    divisor: u32,
    age_max: Duration,
    retries_left: u32,
    retries: std::array::IntoIter<Duration, { ASYNC_RETRY_DELAYS.len() }>,
    throttle_delay: Duration,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    TryAgainIn(Duration),
    /// It has been tried often enough.
    Exhausted,
    /// It is too old, or would be by then.
    TooOld,
}

impl Schedule {
    pub(crate) fn new(config: &EventInvokeConfig, divisor: u32) -> Self {
        Self {
            divisor,
            age_max: config.age_max,
            retries_left: config.retries_max,
            retries: ASYNC_RETRY_DELAYS.into_iter(),
            throttle_delay: ASYNC_THROTTLE_DELAY_MIN,
        }
    }

    pub(crate) fn is_too_old(&self, age: Duration) -> bool {
        age >= self.age_max
    }

    /// The function failed.
    pub(crate) fn failed(&mut self, age: Duration) -> Step {
        let Some(left) = self.retries_left.checked_sub(1) else { return Step::Exhausted };
        self.retries_left = left;
        match self.retries.next() {
            Some(delay) => self.after(delay, age),
            None => Step::Exhausted,
        }
    }

    /// The function did not run, for want of concurrency; that is no attempt.
    pub(crate) fn throttled(&mut self, age: Duration) -> Step {
        let delay = self.throttle_delay;
        self.throttle_delay = (delay * 2).min(ASYNC_THROTTLE_DELAY_MAX);
        self.after(delay, age)
    }

    fn after(&self, delay: Duration, age: Duration) -> Step {
        let delay = delay / self.divisor;
        if self.is_too_old(age + delay) { Step::TooOld } else { Step::TryAgainIn(delay) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_failure_is_tried_again_twice() {
        let mut schedule = Schedule::new(&EventInvokeConfig::default(), 1);
        assert_eq!(schedule.failed(seconds(1)), Step::TryAgainIn(seconds(60)));
        assert_eq!(schedule.failed(seconds(62)), Step::TryAgainIn(seconds(120)));
        assert_eq!(schedule.failed(seconds(183)), Step::Exhausted);
        let mut schedule = Schedule::new(&EventInvokeConfig::default(), 60);
        assert_eq!(schedule.failed(seconds(1)), Step::TryAgainIn(seconds(1)));
        assert_eq!(schedule.failed(seconds(3)), Step::TryAgainIn(seconds(2)));
        let never = EventInvokeConfig { retries_max: 0, ..EventInvokeConfig::default() };
        assert_eq!(Schedule::new(&never, 1).failed(seconds(1)), Step::Exhausted);
    }

    #[test]
    fn a_throttled_event_is_offered_less_and_less_often_until_it_is_too_old() {
        let mut schedule = Schedule::new(&EventInvokeConfig::default(), 1);
        let mut age = Duration::ZERO;
        let mut delays = Vec::new();
        while let Step::TryAgainIn(delay) = schedule.throttled(age) {
            age += delay;
            delays.push(delay.as_secs());
        }
        assert_eq!(delays[..11], [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert!(age < seconds(6 * 60 * 60) && age > seconds(6 * 60 * 60 - 301), "{age:?}");
        // A failure in between has its own waits.
        assert_eq!(schedule.failed(seconds(1)), Step::TryAgainIn(seconds(60)));
    }

    #[test]
    fn what_would_be_too_old_by_then_is_given_up_now() {
        let short = EventInvokeConfig { age_max: seconds(60), ..EventInvokeConfig::default() };
        assert_eq!(Schedule::new(&short, 1).failed(Duration::ZERO), Step::TooOld);
        assert_eq!(Schedule::new(&short, 60).failed(Duration::ZERO), Step::TryAgainIn(seconds(1)));
        assert!(Schedule::new(&short, 60).is_too_old(seconds(60)));
    }
}
