//! From a published message to delivered events: a bounded queue, and one worker that runs the rules. The publisher never
//! waits for a rule or a function.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    rule::{Rule, RuleSink},
    sql::{Evaluation, Message, SqlError, Statement},
};

/// Messages that wait for the rules: ours; a burst of a few thousand devices fits. What comes on top is dropped and counted.
pub const QUEUE_MESSAGES_MAX: usize = 4_096;

/// Payload bytes that wait for the rules: ours. Many small messages or few large ones, memory stays bounded.
pub const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long a sink may take to accept one event: ours, above any pause of a busy machine.
pub const DELIVER_TIMEOUT: Duration = Duration::from_secs(5);

/// What happened since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that clients published.
    pub published: u64,
    /// Events that the sink accepted.
    pub delivered: u64,
    /// Events that the sink did not accept, or not within [`DELIVER_TIMEOUT`].
    pub failed: u64,
    /// Messages that fitted a rule's topic filter but whose payload is not what the rule needs, counted per rule.
    pub unreadable: u64,
    /// Messages that found the queue full, or were still in it at the end.
    pub dropped: u64,
}

/// A message on its way to the rules.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) topic: Arc<str>,
    pub(crate) client_id: Arc<str>,
    pub(crate) payload: Bytes,
    pub(crate) received_at_ms: u64,
}

struct Compiled {
    name: String,
    statement: Statement,
    functions: Vec<String>,
    /// Whether an unreadable payload has been reported: once per rule is enough, the count has the rest.
    reported: AtomicBool,
}

/// The publisher's end: counts, filters, and queues without waiting.
pub(crate) struct Intake {
    rules: Arc<[Compiled]>,
    queue: mpsc::Sender<Published>,
    state: Arc<State>,
}

/// The rules' end.
pub(crate) struct Worker {
    rules: Arc<[Compiled]>,
    queue: mpsc::Receiver<Published>,
    state: Arc<State>,
    sink: Arc<dyn RuleSink>,
}

/// What both ends and the owner share.
#[derive(Default)]
pub(crate) struct State {
    published: AtomicU64,
    delivered: AtomicU64,
    failed: AtomicU64,
    unreadable: AtomicU64,
    dropped: AtomicU64,
    /// Messages queued or in work.
    pending: AtomicU64,
    pending_bytes: AtomicUsize,
    overflowing: AtomicBool,
}

/// Parses the rules and connects the two ends. The error comes with the name of its rule.
pub(crate) fn engine(
    rules: Vec<Rule>,
    sink: Arc<dyn RuleSink>,
) -> Result<(Intake, Worker, Arc<State>), (String, SqlError)> {
    let compiled = rules.into_iter().map(|Rule { name, sql, functions }| match Statement::parse(&sql) {
        Ok(statement) => Ok(Compiled { name, statement, functions, reported: AtomicBool::new(false) }),
        Err(error) => Err((name, error)),
    });
    let rules: Arc<[Compiled]> = compiled.collect::<Result<Vec<_>, _>>()?.into();
    let state = Arc::new(State::default());
    let (sender, receiver) = mpsc::channel(QUEUE_MESSAGES_MAX);
    let intake = Intake { rules: Arc::clone(&rules), queue: sender, state: Arc::clone(&state) };
    let worker = Worker { rules, queue: receiver, state: Arc::clone(&state), sink };
    Ok((intake, worker, state))
}

impl State {
    pub(crate) fn counts(&self) -> Counts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            published: load(&self.published),
            delivered: load(&self.delivered),
            failed: load(&self.failed),
            unreadable: load(&self.unreadable),
            dropped: load(&self.dropped),
        }
    }

    /// Counts what will never be worked on, once both ends are gone.
    pub(crate) fn abandon_pending(&self) {
        let left = self.pending.swap(0, Ordering::Relaxed);
        self.dropped.fetch_add(left, Ordering::Relaxed);
    }

    fn done(&self, message: &Published) {
        self.pending.fetch_sub(1, Ordering::Relaxed);
        self.pending_bytes.fetch_sub(message.payload.len(), Ordering::Relaxed);
    }
}

impl Intake {
    /// Takes a message if a rule is about its topic. Never waits.
    pub(crate) fn take(&self, message: Published) {
        let state = &self.state;
        state.published.fetch_add(1, Ordering::Relaxed);
        if !self.rules.iter().any(|rule| rule.statement.filter().matches(&message.topic)) {
            return;
        }
        let bytes = message.payload.len();
        state.pending.fetch_add(1, Ordering::Relaxed);
        let before = state.pending_bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= QUEUE_BYTES_MAX;
        if fits && self.queue.try_send(message).is_ok() {
            state.overflowing.store(false, Ordering::Relaxed);
            return;
        }
        state.pending.fetch_sub(1, Ordering::Relaxed);
        state.pending_bytes.fetch_sub(bytes, Ordering::Relaxed);
        state.dropped.fetch_add(1, Ordering::Relaxed);
        if !state.overflowing.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                messages_max = QUEUE_MESSAGES_MAX,
                bytes_max = QUEUE_BYTES_MAX,
                "rules do not keep up with published messages; dropping some"
            );
        }
    }
}

impl Worker {
    /// Runs the rules until `stop`, then on what is still queued.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let message = tokio::select! {
                biased;
                () = stop.cancelled(), if !self.queue.is_closed() => {
                    self.queue.close();
                    continue;
                }
                message = self.queue.recv() => message,
            };
            let Some(message) = message else { return };
            self.apply(&message).await;
            self.state.done(&message);
        }
    }

    async fn apply(&self, published: &Published) {
        let message = Message {
            topic: &published.topic,
            client_id: &published.client_id,
            payload: &published.payload,
            received_at_ms: published.received_at_ms,
            random: &random,
        };
        for rule in self.rules.iter().filter(|rule| rule.statement.filter().matches(message.topic)) {
            match rule.statement.evaluate(&message) {
                Evaluation::Event(event) => self.deliver(rule, event.into()).await,
                Evaluation::Skipped => {}
                Evaluation::Unreadable => self.report_unreadable(rule, &published.topic),
            }
        }
    }

    async fn deliver(&self, rule: &Compiled, event: Bytes) {
        for function in &rule.functions {
            let accepted =
                tokio::time::timeout(DELIVER_TIMEOUT, self.sink.deliver(function, event.clone())).await;
            let problem = match accepted {
                Ok(Ok(())) => {
                    self.state.delivered.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("not accepted within {} s", DELIVER_TIMEOUT.as_secs()),
            };
            self.state.failed.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(rule = rule.name, function, problem, "event of a rule not delivered");
        }
    }

    fn report_unreadable(&self, rule: &Compiled, topic: &str) {
        self.state.unreadable.fetch_add(1, Ordering::Relaxed);
        if !rule.reported.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                rule = rule.name,
                topic,
                "payload is not the JSON that the rule's SQL needs; the rule skips it, and further ones without a word"
            );
        }
    }
}

fn random() -> u128 {
    let mut bytes = [0; 16];
    // Without entropy the id is still unique enough for a local stack to go on; nothing secret hangs on it.
    match getrandom::fill(&mut bytes) {
        Ok(()) => u128::from_ne_bytes(bytes),
        Err(_) => u128::from(std::process::id()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::rule::{BoxFuture, DeliverError};

    /// Accepts one event per permit.
    struct Gate {
        permits: Semaphore,
        events: Mutex<Vec<(String, Bytes)>>,
    }

    impl Gate {
        fn new(permits: usize) -> Arc<Self> {
            Arc::new(Self { permits: Semaphore::new(permits), events: Mutex::default() })
        }

        fn events(&self) -> Vec<String> {
            let events = self.events.lock().unwrap();
            events
                .iter()
                .map(|(function, event)| format!("{function} {}", String::from_utf8_lossy(event)))
                .collect()
        }
    }

    impl RuleSink for Gate {
        fn deliver<'a>(&'a self, function: &'a str, event: Bytes) -> BoxFuture<'a, Result<(), DeliverError>> {
            Box::pin(async move {
                self.permits.acquire().await.unwrap().forget();
                if function == "refuses" {
                    return Err(DeliverError("no".to_owned()));
                }
                self.events.lock().unwrap().push((function.to_owned(), event));
                Ok(())
            })
        }
    }

    fn rule(name: &str, sql: &str, functions: &[&str]) -> Rule {
        let functions = functions.iter().map(|function| (*function).to_owned()).collect();
        Rule { name: name.to_owned(), sql: sql.to_owned(), functions }
    }

    fn published(topic: &str, payload: impl Into<Bytes>) -> Published {
        Published { topic: topic.into(), client_id: "c".into(), payload: payload.into(), received_at_ms: 1 }
    }

    fn start(rules: Vec<Rule>, gate: &Arc<Gate>) -> (Intake, Worker, Arc<State>) {
        engine(rules, Arc::clone(gate) as Arc<dyn RuleSink>).unwrap()
    }

    async fn run_until_empty(worker: Worker) {
        let stop = CancellationToken::new();
        stop.cancel();
        worker.run(stop).await;
    }

    #[tokio::test]
    async fn each_rule_gets_what_it_is_about() {
        let gate = Gate::new(100);
        let rules = vec![
            rule("all", "SELECT * FROM '#'", &["f", "g"]),
            rule("some", "SELECT topic(2) AS d FROM 'a/+' WHERE v > 1", &["h"]),
        ];
        let (intake, worker, state) = start(rules, &gate);
        intake.take(published("a/x", r#"{"v":1}"#));
        intake.take(published("a/y", r#"{"v":2}"#));
        intake.take(published("$SYS/z", r#"{"v":3}"#));
        run_until_empty(worker).await;
        assert_eq!(
            gate.events(),
            [r#"f {"v":1}"#, r#"g {"v":1}"#, r#"f {"v":2}"#, r#"g {"v":2}"#, r#"h {"d":"y"}"#]
        );
        assert_eq!(state.counts(), Counts { published: 3, delivered: 5, ..Counts::default() });
    }

    #[tokio::test]
    async fn a_bad_payload_or_a_refusing_function_stops_nothing() {
        let gate = Gate::new(100);
        let (intake, worker, state) = start(vec![rule("r", "SELECT * FROM 'a'", &["refuses", "f"])], &gate);
        for payload in ["nope", "1", r#"{"v":1}"#] {
            intake.take(published("a", payload));
        }
        run_until_empty(worker).await;
        assert_eq!(gate.events(), [r#"f {"v":1}"#]);
        assert_eq!(
            state.counts(),
            Counts { published: 3, delivered: 1, failed: 1, unreadable: 2, ..Counts::default() }
        );
    }

    #[tokio::test]
    async fn a_full_queue_drops_and_counts() {
        let gate = Gate::new(usize::MAX >> 4);
        let (intake, worker, state) = start(vec![rule("r", "SELECT * FROM 'a'", &["f"])], &gate);
        for _ in 0..QUEUE_MESSAGES_MAX + 3 {
            intake.take(published("a", "{}"));
        }
        intake.take(published("of no rule", "{}"));
        assert_eq!(state.counts().dropped, 3);
        run_until_empty(worker).await;
        let all = QUEUE_MESSAGES_MAX as u64;
        assert_eq!(
            state.counts(),
            Counts { published: all + 4, delivered: all, dropped: 3, ..Counts::default() }
        );
        assert_eq!(state.pending_bytes.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn the_queue_is_bounded_in_bytes_too() {
        let gate = Gate::new(100);
        let (intake, _worker, state) = start(vec![rule("r", "SELECT 1 AS a FROM 'a'", &["f"])], &gate);
        let payload = Bytes::from(vec![b' '; QUEUE_BYTES_MAX / 4]);
        for _ in 0..5 {
            intake.take(published("a", payload.clone()));
        }
        assert_eq!(state.counts().dropped, 1);
        assert_eq!(state.pending_bytes.load(Ordering::Relaxed), QUEUE_BYTES_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_never_answers_costs_its_event_only() {
        let gate = Gate::new(0);
        let (intake, worker, state) = start(vec![rule("r", "SELECT * FROM 'a'", &["f"])], &gate);
        intake.take(published("a", "{}"));
        intake.take(published("a", "{}"));
        let before = tokio::time::Instant::now();
        run_until_empty(worker).await;
        assert_eq!(before.elapsed(), 2 * DELIVER_TIMEOUT);
        assert_eq!(state.counts(), Counts { published: 2, failed: 2, ..Counts::default() });
    }

    #[test]
    fn a_statement_that_is_not_supported_names_its_rule() {
        let rules =
            vec![rule("good", "SELECT * FROM 'a'", &[]), rule("bad", "SELECT * FROM 'a' LIMIT 1", &[])];
        let (name, error) = engine(rules, Gate::new(0)).err().unwrap();
        assert_eq!(name, "bad");
        assert_eq!(error.to_string(), "LIMIT is not supported; a rule has SELECT, FROM and WHERE");
    }
}
