use std::sync::{Arc, atomic::Ordering};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Compiled, Counts, Intake, Outlet, Published, State,
    actions::{Event, Surroundings},
    failures::{self, Failure},
    intake::Queued,
};
use crate::{
    rule::RuleSink,
    sql::{EvaluateError, Message},
};

/// The rules' end: takes messages one by one, in order.
pub(crate) struct Worker {
    pub(super) rules: Arc<[Compiled]>,
    pub(super) queue: mpsc::Receiver<Queued>,
    pub(super) state: Arc<State>,
    pub(super) sink: Arc<dyn RuleSink>,
    /// Republished messages come back in here.
    pub(super) intake: Arc<Intake>,
    pub(super) account_id: String,
}

impl Worker {
    /// Runs the rules until `stop`, then on what is still queued.
    pub(crate) async fn run(mut self, outlet: Arc<dyn Outlet>, stop: CancellationToken) -> Counts {
        loop {
            let queued = tokio::select! {
                biased;
                () = stop.cancelled(), if !self.queue.is_closed() => {
                    self.queue.close();
                    continue;
                }
                queued = self.queue.recv() => queued,
            };
            let Some(Queued { message, rule }) = queued else { return self.state.counts() };
            let trace_id = trace_id();
            for (index, compiled) in self.rules.iter().enumerate() {
                if rule.map_or_else(|| compiled.statement.matches(&message.topic), |rule| rule == index) {
                    self.apply(compiled, &message, &trace_id, &*outlet).await;
                }
            }
            self.state.pending.fetch_sub(1, Ordering::Relaxed);
            self.state.pending_bytes.fetch_sub(message.payload.len(), Ordering::Relaxed);
        }
    }

    async fn apply(&self, rule: &Compiled, published: &Published, trace_id: &str, outlet: &dyn Outlet) {
        let message = |payload| Message {
            client_id: Some(&published.client_id),
            trace_id: Some(trace_id),
            account_id: &self.account_id,
            received_at_ms: published.received_at_ms,
            random: &random,
            ..Message::new(&published.topic, payload)
        };
        let incoming = message(&published.payload);
        let event = match rule.statement.evaluate(&incoming) {
            Ok(Some(outgoing)) => Event::new(outgoing, incoming),
            Ok(None) => return,
            Err(error) => return self.report_unreadable(rule, &published.topic, &error),
        };
        let surroundings =
            Surroundings { rule: &rule.name, sink: &*self.sink, outlet, intake: &self.intake, published };
        let mut failed = Vec::new();
        for action in &rule.actions {
            if let Err(failure) = self.counted(action.perform(&event, &surroundings).await) {
                failure.warn(&rule.name);
                failed.push(failure);
            }
        }
        let Some(error_action) = rule.error_action.as_ref().filter(|_| !failed.is_empty()) else { return };
        let report = failures::report(&rule.name, published, trace_id, &failed);
        let told = Event {
            message: message(&report),
            payload: report.clone(),
            is_json: true,
            variables: event.variables,
        };
        if let Err(failure) = self.counted(error_action.perform(&told, &surroundings).await) {
            failure.warn(&rule.name);
        }
    }

    fn counted(&self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        State::count(if outcome.is_ok() { &self.state.delivered } else { &self.state.failed });
        outcome
    }

    fn report_unreadable(&self, rule: &Compiled, topic: &str, error: &EvaluateError) {
        State::count(&self.state.unreadable);
        if !rule.reported.swap(true, Ordering::Relaxed) {
            let name = &rule.name;
            tracing::warn!(
                "rule {name} skips a message on {topic}: {error} (and further ones without a word)"
            );
        }
    }
}

/// Names a message in logs and error actions: random bits in the form of a UUID.
fn trace_id() -> String {
    let hex = format!("{:032x}", random());
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn random() -> u128 {
    let mut bytes = [0; 16];
    // Without entropy the id is still unique enough for a local stack to go on; nothing secret hangs on it.
    match getrandom::fill(&mut bytes) {
        Ok(()) => u128::from_ne_bytes(bytes),
        Err(_) => u128::from(std::process::id()),
    }
}
