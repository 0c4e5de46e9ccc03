//! A management API without a service behind it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use dunlin_events::{ConnectionId, limits::MESSAGE_BYTES_MAX};
use tokio::time::Instant;

use crate::{
    ConnectionInfo, DeleteOutcome, ManagementClient, ManagementError, ManagementErrorKind, PostOutcome,
};

/// A client for tests and simulations: answers as it is told, and records what was posted and deleted.
///
/// Every connection is there until it is [hung up](Self::hang_up) or deleted. A call is answered by the connection's
/// [script](Self::script) while it lasts, else with 410 if the connection is not there, else, if it is a post, by the
/// [responder](Self::responding), which delivers everything unless replaced. Delays run on tokio's clock, so a paused
/// clock makes them free.
#[derive(Default)]
pub struct FakeManagement {
    responder: Option<Box<Responder>>,
    state: Mutex<State>,
}

type Responder = dyn Fn(&ConnectionId, u32) -> Answer + Send + Sync;

#[derive(Debug, Default)]
struct State {
    scripts: BTreeMap<ConnectionId, VecDeque<Answer>>,
    gone: BTreeSet<ConnectionId>,
    infos: BTreeMap<ConnectionId, ConnectionInfo>,
    deleted: Vec<ConnectionId>,
    attempts: BTreeMap<ConnectionId, u32>,
    posts: Vec<Post>,
    in_flight: usize,
    in_flight_max: usize,
}

/// How one call is answered, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    outcome: Result<PostOutcome, ManagementErrorKind>,
    retry_after: Option<Duration>,
    delay: Duration,
}

/// One post that was answered, whatever the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// The connection posted to.
    pub connection_id: ConnectionId,
    /// The data.
    pub data: Bytes,
    /// What the caller was told.
    pub outcome: Result<PostOutcome, ManagementErrorKind>,
    /// When the call began, on tokio's clock.
    pub began_at: Instant,
}

impl Answer {
    /// The call does what it is for: a post is delivered.
    pub const fn delivered() -> Self {
        Self { outcome: Ok(PostOutcome::Delivered), retry_after: None, delay: Duration::ZERO }
    }

    /// The connection is gone.
    pub const fn gone() -> Self {
        Self { outcome: Ok(PostOutcome::Gone), ..Self::delivered() }
    }

    /// The call fails.
    pub const fn failed(kind: ManagementErrorKind) -> Self {
        Self { outcome: Err(kind), ..Self::delivered() }
    }

    /// The same answer, but only after `delay`.
    #[must_use]
    pub const fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The same failure, with the hint to wait this long.
    #[must_use]
    pub const fn retry_after(mut self, hint: Duration) -> Self {
        self.retry_after = Some(hint);
        self
    }
}

impl FakeManagement {
    /// Delivers everything at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers posts by a function of the connection and of how many posts it was sent before.
    pub fn responding(answer: impl Fn(&ConnectionId, u32) -> Answer + Send + Sync + 'static) -> Self {
        Self { responder: Some(Box::new(answer)), ..Self::default() }
    }

    /// Appends answers for the next calls about this connection, whichever they are.
    pub fn script(&self, id: &ConnectionId, answers: impl IntoIterator<Item = Answer>) {
        self.lock().scripts.entry(id.clone()).or_default().extend(answers);
    }

    /// The client hung up: everything sent to the connection from now on answers 410.
    pub fn hang_up(&self, id: &ConnectionId) {
        self.lock().gone.insert(id.clone());
    }

    /// What [`get`](ManagementClient::get) tells about this connection, in place of the beginning of 1970.
    pub fn describe(&self, id: &ConnectionId, info: ConnectionInfo) {
        self.lock().infos.insert(id.clone(), info);
    }

    /// The connections that were deleted, in order.
    pub fn deleted(&self) -> Vec<ConnectionId> {
        self.lock().deleted.clone()
    }

    /// Every post that was answered, in the order of the answers.
    pub fn posts(&self) -> Vec<Post> {
        self.lock().posts.clone()
    }

    /// What was delivered to this connection, in order.
    pub fn posts_to(&self, id: &ConnectionId) -> Vec<Bytes> {
        let delivered =
            |post: &&Post| post.connection_id == *id && post.outcome == Ok(PostOutcome::Delivered);
        self.lock().posts.iter().filter(delivered).map(|post| post.data.clone()).collect()
    }

    /// Most posts that were under way at once.
    pub fn in_flight_max(&self) -> usize {
        self.lock().in_flight_max
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two changes that belong together, so the state behind a poisoned lock is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How this call is answered, if that is decided without its kind.
    fn scripted(state: &mut State, id: &ConnectionId) -> Option<Answer> {
        let scripted = state.scripts.get_mut(id).and_then(VecDeque::pop_front);
        scripted.or_else(|| state.gone.contains(id).then(Answer::gone))
    }

    fn answer_post(&self, id: &ConnectionId) -> Answer {
        let mut state = self.lock();
        state.in_flight += 1;
        state.in_flight_max = state.in_flight_max.max(state.in_flight);
        let attempts = state.attempts.entry(id.clone()).or_default();
        let before = *attempts;
        *attempts += 1;
        if let Some(answer) = Self::scripted(&mut state, id) {
            return answer;
        }
        drop(state);
        self.responder.as_ref().map_or(const { Answer::delivered() }, |answer| answer(id, before))
    }

    /// The answer to a call that is no post.
    async fn answer_other(&self, id: &ConnectionId) -> Result<PostOutcome, ManagementError> {
        let answer = Self::scripted(&mut self.lock(), id).unwrap_or(Answer::delivered());
        answer.wait().await;
        answer.result()
    }
}

impl Answer {
    async fn wait(&self) {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
    }

    fn result(self) -> Result<PostOutcome, ManagementError> {
        self.outcome.map_err(|kind| ManagementError::new(kind).with_retry_after(self.retry_after))
    }
}

impl ManagementClient for FakeManagement {
    async fn post(&self, id: &ConnectionId, data: Bytes) -> Result<PostOutcome, ManagementError> {
        if data.len() > MESSAGE_BYTES_MAX {
            return Err(ManagementError::new(ManagementErrorKind::TooLarge));
        }
        let began_at = Instant::now();
        let answer = self.answer_post(id);
        // A call that is dropped while it waits is no longer in flight either.
        let in_flight = InFlight(self);
        answer.wait().await;
        drop(in_flight);
        self.lock().posts.push(Post { connection_id: id.clone(), data, outcome: answer.outcome, began_at });
        answer.result()
    }

    async fn get(&self, id: &ConnectionId) -> Result<Option<ConnectionInfo>, ManagementError> {
        Ok(match self.answer_other(id).await? {
            PostOutcome::Gone => None,
            PostOutcome::Delivered => Some(self.lock().infos.get(id).cloned().unwrap_or(NOTHING_KNOWN)),
        })
    }

    async fn delete(&self, id: &ConnectionId) -> Result<DeleteOutcome, ManagementError> {
        if self.answer_other(id).await? == PostOutcome::Gone {
            return Ok(DeleteOutcome::Gone);
        }
        let mut state = self.lock();
        state.gone.insert(id.clone());
        state.deleted.push(id.clone());
        Ok(DeleteOutcome::Deleted)
    }
}

/// What is told of a connection that was not described.
const NOTHING_KNOWN: ConnectionInfo = ConnectionInfo {
    connected_at: SystemTime::UNIX_EPOCH,
    last_active_at: SystemTime::UNIX_EPOCH,
    source_ip: None,
    user_agent: None,
};

struct InFlight<'a>(&'a FakeManagement);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.lock().in_flight -= 1;
    }
}

impl fmt::Debug for FakeManagement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeManagement").field("state", &self.state).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ConnectionId {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn answers_by_script_then_by_responder_and_records_both() {
        let fake = FakeManagement::responding(|_, before| {
            assert_eq!(before, 2, "two posts were scripted");
            Answer::gone()
        });
        let hint = Duration::from_millis(40);
        fake.script(
            &id("a"),
            [
                Answer::failed(ManagementErrorKind::Throttled).retry_after(hint),
                Answer::delivered().after(Duration::from_secs(3)),
            ],
        );
        let start = Instant::now();
        let error = fake.post(&id("a"), "1".into()).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_after()), (ManagementErrorKind::Throttled, Some(hint)));
        assert_eq!(fake.post(&id("a"), "2".into()).await.unwrap(), PostOutcome::Delivered);
        assert_eq!(start.elapsed(), Duration::from_secs(3));
        assert_eq!(fake.post(&id("a"), "3".into()).await.unwrap(), PostOutcome::Gone);
        assert_eq!(fake.posts_to(&id("a")), ["2"]);
        assert_eq!(fake.posts().len(), 3);
    }

    #[tokio::test]
    async fn a_deleted_connection_is_gone_for_every_call() {
        let fake = FakeManagement::new();
        assert!(fake.get(&id("a")).await.unwrap().is_some());
        assert_eq!(fake.delete(&id("a")).await.unwrap(), DeleteOutcome::Deleted);
        assert_eq!(fake.delete(&id("a")).await.unwrap(), DeleteOutcome::Gone);
        assert_eq!(fake.post(&id("a"), Bytes::new()).await.unwrap(), PostOutcome::Gone);
        assert_eq!(fake.get(&id("a")).await.unwrap(), None);
        assert_eq!(fake.deleted(), [id("a")]);
        assert_eq!(fake.post(&id("b"), Bytes::new()).await.unwrap(), PostOutcome::Delivered);
    }

    #[tokio::test]
    async fn every_call_follows_the_script() {
        let fake = FakeManagement::new();
        let failures = [ManagementErrorKind::Throttled, ManagementErrorKind::Forbidden];
        fake.script(&id("a"), failures.map(Answer::failed).into_iter().chain([Answer::gone()]));
        assert_eq!(fake.get(&id("a")).await.unwrap_err().kind(), ManagementErrorKind::Throttled);
        assert_eq!(fake.delete(&id("a")).await.unwrap_err().kind(), ManagementErrorKind::Forbidden);
        assert_eq!(fake.delete(&id("a")).await.unwrap(), DeleteOutcome::Gone);
        assert_eq!(fake.deleted(), []);
        let info = ConnectionInfo { user_agent: Some("curl/8".to_owned()), ..NOTHING_KNOWN };
        fake.describe(&id("a"), info.clone());
        assert_eq!(fake.get(&id("a")).await.unwrap(), Some(info));
    }

    #[tokio::test]
    async fn more_than_a_message_is_not_sent() {
        let fake = FakeManagement::new();
        let post = async |bytes| fake.post(&id("a"), vec![b'x'; bytes].into()).await;
        assert_eq!(post(MESSAGE_BYTES_MAX).await.unwrap(), PostOutcome::Delivered);
        let error = post(MESSAGE_BYTES_MAX + 1).await.unwrap_err();
        assert_eq!(error.kind(), ManagementErrorKind::TooLarge);
        assert_eq!(fake.posts().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn counts_what_is_in_flight_and_forgets_what_was_dropped() {
        let fake = FakeManagement::responding(|_, _| Answer::delivered().after(Duration::from_secs(1)));
        let (a, b) = (id("a"), id("b"));
        let (first, second) = tokio::join!(fake.post(&a, Bytes::new()), fake.post(&b, Bytes::new()));
        assert!(first.is_ok() && second.is_ok());
        let dropped = tokio::time::timeout(Duration::from_millis(1), fake.post(&a, Bytes::new())).await;
        assert!(dropped.is_err());
        fake.post(&a, Bytes::new()).await.unwrap();
        assert_eq!(fake.in_flight_max(), 2);
        assert_eq!(fake.posts().len(), 3);
    }
}
