//! Every order in which the steps of several participants can follow each other.
//!
//! What a step is, the participants decide: each takes its [`Turn`] before it. Exactly one step is under way at any
//! time, and [`in_every_order`] goes through the tree of choices of who is next, depth first, so that a property that
//! holds in all of them holds for every interleaving of these steps.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

/// Most orders of one exploration. Ours, against an exploration that would not end: the number grows as a factorial.
pub const ORDERS_MAX: usize = 20_000;

/// Longest wait for a step; whoever does not come back from one is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// Signals under way at once; every participant has at most one, and there are fewer participants than that.
const SIGNALS_MAX: usize = 64;

/// Plays the same piece once for every order in which its steps can follow each other, and returns how many those are.
///
/// `play` enters its participants on the stage, [runs](Stage::run) it, and checks what came out. The steps of each
/// participant must depend on the order alone.
///
/// ```
/// use dunlin_connection_store::testsuite::orders::in_every_order;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let orders = in_every_order(async |stage| {
///     for name in ["one", "other"] {
///         let turn = stage.turn(name);
///         stage.enter(&turn.clone(), async move {
///             turn.take().await;
///             turn.take().await;
///         });
///     }
///     stage.run().await;
/// })
/// .await;
/// assert_eq!(orders, 6);
/// # }
/// ```
///
/// # Panics
/// If there are more than [`ORDERS_MAX`] orders, or a participant takes other turns than the last time.
pub async fn in_every_order(mut play: impl AsyncFnMut(&mut Stage)) -> usize {
    let mut path = Vec::new();
    for orders in 1..=ORDERS_MAX {
        let mut stage = Stage::new(path);
        play(&mut stage).await;
        path = stage.path;
        // The next order is the same one up to the last choice that has another option left.
        while path.last().is_some_and(|choice| choice.taken + 1 == choice.options) {
            path.pop();
        }
        let Some(choice) = path.last_mut() else { return orders };
        choice.taken += 1;
    }
    unreachable!("the piece has more than {ORDERS_MAX} orders");
}

/// Where participants take turns. Displays as the order so far.
#[derive(Debug)]
pub struct Stage {
    path: Vec<Choice>,
    participants: Vec<Participant>,
    signals: (mpsc::Sender<Signal>, mpsc::Receiver<Signal>),
    order: Vec<&'static str>,
}

/// The right to make one step, for one participant. Clones are the same participant.
#[derive(Clone, Debug)]
pub struct Turn {
    participant: usize,
    granted: Arc<Semaphore>,
    signals: mpsc::Sender<Signal>,
}

#[derive(Clone, Copy, Debug)]
struct Choice {
    taken: usize,
    options: usize,
}

#[derive(Debug)]
struct Participant {
    name: &'static str,
    granted: Arc<Semaphore>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In a step, or on the way to the first one.
    Busy,
    Waiting,
    Done,
}

/// A participant that now waits or is done.
#[derive(Clone, Copy, Debug)]
struct Signal(usize, State);

impl Turn {
    /// Waits until it is this participant's turn. The step lasts until it takes the next turn, or ends.
    pub async fn take(&self) {
        // Without a stage there is nobody to wait for.
        if self.signals.send(Signal(self.participant, State::Waiting)).await.is_ok() {
            self.granted.acquire().await.expect("the semaphore is never closed").forget();
        }
    }
}

/// Tells the stage, also when a participant panics.
struct Exit(Turn);

impl Drop for Exit {
    fn drop(&mut self) {
        // There is always room: a participant has one signal at a time. If the stage is gone, nobody asks.
        self.0.signals.try_send(Signal(self.0.participant, State::Done)).ok();
    }
}

impl Stage {
    fn new(path: Vec<Choice>) -> Self {
        Self { path, participants: Vec::new(), signals: mpsc::channel(SIGNALS_MAX), order: Vec::new() }
    }

    /// The turns of a new participant, which is then to [`enter`](Self::enter).
    pub fn turn(&mut self, name: &'static str) -> Turn {
        let granted = Arc::new(Semaphore::new(0));
        let participant = self.participants.len();
        self.participants.push(Participant { name, granted: Arc::clone(&granted), state: State::Busy });
        Turn { participant, granted, signals: self.signals.0.clone() }
    }

    /// Starts what a participant does; what it returns is known once the stage has run.
    pub fn enter<T: Send + 'static>(
        &mut self,
        turn: &Turn,
        part: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let exit = Exit(turn.clone());
        tokio::spawn(async move {
            let _exit = exit;
            part.await
        })
    }

    /// Gives turns until every participant is done.
    ///
    /// # Panics
    /// If a participant gets stuck in a step.
    pub async fn run(&mut self) {
        loop {
            while self.participants.iter().any(|participant| participant.state == State::Busy) {
                let signal = tokio::time::timeout(PATIENCE, self.signals.1.recv()).await;
                let Ok(Some(Signal(participant, state))) = signal else {
                    unreachable!("nobody came back from the last step of {self}")
                };
                self.participants[participant].state = state;
            }
            let mut waiting: Vec<&mut Participant> =
                self.participants.iter_mut().filter(|one| one.state == State::Waiting).collect();
            if waiting.is_empty() {
                return;
            }
            let step = self.order.len();
            if step == self.path.len() {
                self.path.push(Choice { taken: 0, options: waiting.len() });
            }
            let choice = self.path[step];
            assert_eq!(choice.options, waiting.len(), "the steps depend on the order alone");
            let next = &mut waiting[choice.taken];
            next.state = State::Busy;
            next.granted.add_permits(1);
            self.order.push(next.name);
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.order.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    async fn orders_of(steps: &[(&'static str, usize)]) -> (usize, BTreeSet<String>) {
        let mut seen = BTreeSet::new();
        let orders = in_every_order(async |stage| {
            for &(name, steps) in steps {
                let turn = stage.turn(name);
                stage.enter(&turn.clone(), async move {
                    for _ in 0..steps {
                        turn.take().await;
                    }
                });
            }
            stage.run().await;
            seen.insert(stage.to_string());
        })
        .await;
        (orders, seen)
    }

    #[tokio::test]
    async fn every_order_comes_once() {
        let (orders, seen) = orders_of(&[("a", 2), ("b", 1)]).await;
        assert_eq!(
            (orders, seen.into_iter().collect::<Vec<_>>()),
            (3, vec!["a a b".to_owned(), "a b a".to_owned(), "b a a".to_owned()])
        );
        let (orders, seen) = orders_of(&[("a", 3), ("b", 3), ("c", 2)]).await;
        // 8! / (3! 3! 2!)
        assert_eq!((orders, seen.len()), (560, 560));
        assert_eq!(orders_of(&[]).await.0, 1);
    }

    #[tokio::test]
    async fn a_panic_in_a_step_ends_the_participant_and_not_the_stage() {
        in_every_order(async |stage| {
            let turn = stage.turn("a");
            let part = stage.enter(&turn.clone(), async move {
                turn.take().await;
                unreachable!("on purpose");
            });
            stage.run().await;
            let ended: Result<(), _> = part.await;
            assert!(ended.is_err());
        })
        .await;
    }
}
