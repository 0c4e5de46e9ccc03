//! A management client that goes nowhere, and answers as it is told to, at a stated cost.

use std::{
    hint::black_box,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use dunlin_events::ConnectionId;
use dunlin_management::{
    ConnectionInfo, DeleteOutcome, ManagementClient, ManagementError, ManagementErrorKind, PostOutcome,
};
use rustix::time::{ClockId, clock_gettime};
use tokio::time::{Instant, sleep};

/// Answers every post, and counts it.
#[derive(Debug)]
pub struct NullManagement {
    answers: Answers,
    cost: Cost,
    posts: AtomicU64,
}

#[derive(Debug)]
enum Answers {
    Delivered,
    /// Delivered once others had their turn, as an answer over a network.
    Later,
    Gone,
    EverySecond(ManagementErrorKind),
    Quota(Mutex<Bucket>),
}

/// An account's quota: a bucket of requests that refills (fact Q1), on tokio's clock.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// Requests a second.
    pub per_s: f64,
    /// Requests at once.
    pub burst: f64,
    /// How long an answer takes.
    pub latency: Duration,
}

#[derive(Debug)]
struct Bucket {
    quota: Quota,
    tokens: f64,
    filled_at: Instant,
}

/// An amount of processor time as an amount of work, which is the same on both sides of a comparison, whatever else the machine
/// does meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    steps: u64,
}

impl NullManagement {
    /// Delivers everything, at no cost.
    pub fn new() -> Self {
        Self::answering(Answers::Delivered)
    }

    /// Delivers everything, and keeps the processor busy for each post.
    pub fn costing(cost: Cost) -> Self {
        NullManagement { cost, ..Self::new() }
    }

    /// Delivers everything, but lets others have their turn first.
    pub fn later() -> Self {
        Self::answering(Answers::Later)
    }

    /// Knows nobody.
    pub fn gone() -> Self {
        Self::answering(Answers::Gone)
    }

    /// Fails the first post, delivers the second, and so on.
    pub fn failing_every_second(kind: ManagementErrorKind) -> Self {
        Self::answering(Answers::EverySecond(kind))
    }

    /// Delivers within a quota, and throttles what is beyond.
    pub fn within(quota: Quota) -> Self {
        let bucket = Bucket { quota, tokens: quota.burst, filled_at: Instant::now() };
        Self::answering(Answers::Quota(Mutex::new(bucket)))
    }

    fn answering(answers: Answers) -> Self {
        NullManagement { answers, cost: Cost::default(), posts: AtomicU64::new(0) }
    }

    /// Posts so far.
    pub fn posts(&self) -> u64 {
        self.posts.load(Ordering::Relaxed)
    }
}

impl Default for NullManagement {
    fn default() -> Self {
        Self::new()
    }
}

impl Quota {
    /// How long so many posts take at least.
    pub fn ideal(&self, posts: u64) -> Duration {
        Duration::from_secs_f64((posts as f64 - self.burst).max(0.0) / self.per_s)
    }
}

impl Bucket {
    fn takes(&mut self) -> bool {
        let now = Instant::now();
        let filled = self.tokens + (now - self.filled_at).as_secs_f64() * self.quota.per_s;
        (self.tokens, self.filled_at) = (filled.min(self.quota.burst), now);
        let takes = self.tokens >= 1.0;
        self.tokens -= f64::from(u8::from(takes));
        takes
    }
}

impl Cost {
    /// Work that takes about so much processor time here and now.
    pub fn of(cpu: Duration) -> Self {
        /// Enough to be measured, and few enough that nothing else comes between in one of the attempts.
        const SAMPLE: Cost = Cost { steps: 100_000 };
        const ATTEMPTS: usize = 10;

        let thread_time = || clock_gettime(ClockId::ThreadCPUTime);
        let sample = || {
            let began = thread_time();
            SAMPLE.spend();
            let took = thread_time() - began;
            Duration::try_from(took).expect("processor time is not negative")
        };
        let least = (0..ATTEMPTS).map(|_| sample()).min().expect("there are attempts");
        Cost { steps: (SAMPLE.steps as f64 * cpu.as_secs_f64() / least.as_secs_f64()) as u64 }
    }

    /// So many times as much.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Cost { steps: self.steps * times }
    }

    fn spend(self) {
        let mut state = 1_u64;
        for _ in 0..self.steps {
            state = black_box(state.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(5));
        }
    }
}

impl ManagementClient for NullManagement {
    async fn post(&self, id: &ConnectionId, data: Bytes) -> Result<PostOutcome, ManagementError> {
        black_box((id, data));
        self.cost.spend();
        let before = self.posts.fetch_add(1, Ordering::Relaxed);
        match &self.answers {
            Answers::Delivered => Ok(PostOutcome::Delivered),
            Answers::Later => {
                tokio::task::yield_now().await;
                Ok(PostOutcome::Delivered)
            }
            Answers::Gone => Ok(PostOutcome::Gone),
            Answers::EverySecond(kind) if before.is_multiple_of(2) => Err(ManagementError::new(*kind)),
            Answers::EverySecond(_) => Ok(PostOutcome::Delivered),
            Answers::Quota(bucket) => {
                let (takes, latency) = {
                    let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
                    (bucket.takes(), bucket.quota.latency)
                };
                sleep(latency).await;
                takes
                    .then_some(PostOutcome::Delivered)
                    .ok_or_else(|| ManagementError::new(ManagementErrorKind::Throttled))
            }
        }
    }

    async fn get(&self, _: &ConnectionId) -> Result<Option<ConnectionInfo>, ManagementError> {
        Ok(None)
    }

    async fn delete(&self, _: &ConnectionId) -> Result<DeleteOutcome, ManagementError> {
        Ok(DeleteOutcome::Gone)
    }
}
