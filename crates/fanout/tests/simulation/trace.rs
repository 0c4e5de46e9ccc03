//! What happened in a world, in order.

use std::fmt;

use dunlin_fanout::{Checkpoint, Report};
use dunlin_management::{ManagementErrorKind, PostOutcome};
use tokio::time::Duration;

/// A connection, by its number.
pub(crate) type Id = usize;

/// Everything that happened, and what stood fixed from the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    pub(crate) window: usize,
    pub(crate) passes: Vec<PassPlan>,
    pub(crate) entries: Vec<Entry>,
}

/// What a pass was told.
#[derive(Clone, Debug)]
pub(crate) struct PassPlan {
    pub(crate) version: u64,
    pub(crate) message_bytes: usize,
    /// Time given, from the beginning.
    pub(crate) given: Duration,
    /// Where it goes on, if it is not from the start.
    pub(crate) from: Option<Checkpoint>,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Since the beginning of the world.
    pub(crate) at: Duration,
    pub(crate) event: Event,
}

#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The connection was made so long ago, and its row is in the store from now on.
    Joined {
        id: Id,
        shard: u16,
        age: Duration,
    },
    /// The row was taken away by the client's own doing.
    Left {
        id: Id,
    },
    /// The connection is no more, whether or not the store knows.
    Died {
        id: Id,
    },
    PassBegan {
        pass: usize,
    },
    StoreCalled {
        pass: usize,
        call: &'static str,
    },
    StoreAnswered {
        pass: usize,
        call: &'static str,
        succeeded: bool,
    },
    /// The pass may push from here on.
    Committed {
        pass: usize,
    },
    PostBegan {
        pass: usize,
        id: Id,
        version: u64,
    },
    PostAnswered {
        pass: usize,
        id: Id,
        outcome: Outcome,
    },
    /// Nobody waited for the answer.
    PostDropped {
        pass: usize,
        id: Id,
    },
    Pruned {
        pass: usize,
        id: Id,
    },
    PassEnded {
        pass: usize,
        report: Option<Box<Report>>,
    },
}

/// The answer to a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Delivered,
    Gone,
    Failed { kind: ManagementErrorKind, retry_after: Option<Duration> },
}

impl Outcome {
    pub(crate) fn of(
        result: Result<PostOutcome, ManagementErrorKind>,
        retry_after: Option<Duration>,
    ) -> Self {
        match result {
            Ok(PostOutcome::Delivered) => Self::Delivered,
            Ok(PostOutcome::Gone) => Self::Gone,
            Err(kind) => Self::Failed { kind, retry_after },
        }
    }
}

/// A post from its beginning to its end.
pub(crate) struct Post {
    pub(crate) pass: usize,
    pub(crate) id: Id,
    pub(crate) began_at: Duration,
    /// When it was answered or dropped; `None` if it never was.
    pub(crate) ended_at: Option<Duration>,
    /// `None` if it was dropped.
    pub(crate) outcome: Option<Outcome>,
}

impl Trace {
    pub(crate) fn push(&mut self, at: Duration, event: Event) {
        self.entries.push(Entry { at, event });
    }

    /// Every post, in the order in which they began.
    pub(crate) fn posts(&self) -> Vec<Post> {
        let mut posts: Vec<Post> = Vec::new();
        for Entry { at, event } in &self.entries {
            match *event {
                Event::PostBegan { pass, id, .. } => {
                    let (began_at, ended_at, outcome) = (*at, None, None);
                    posts.push(Post { pass, id, began_at, ended_at, outcome });
                }
                Event::PostAnswered { pass, id, outcome } => {
                    let post =
                        posts.iter_mut().rev().find(|post| (post.pass, post.id) == (pass, id)).unwrap();
                    (post.ended_at, post.outcome) = (Some(*at), Some(outcome));
                }
                Event::PostDropped { pass, id } => {
                    let post =
                        posts.iter_mut().rev().find(|post| (post.pass, post.id) == (pass, id)).unwrap();
                    post.ended_at = Some(*at);
                }
                _ => {}
            }
        }
        posts
    }

    pub(crate) fn began_at(&self, wanted: usize) -> Option<Duration> {
        self.at(|event| matches!(event, Event::PassBegan { pass } if *pass == wanted))
    }

    pub(crate) fn ended_at(&self, wanted: usize) -> Option<Duration> {
        self.at(|event| matches!(event, Event::PassEnded { pass, .. } if *pass == wanted))
    }

    pub(crate) fn at(&self, wanted: impl Fn(&Event) -> bool) -> Option<Duration> {
        self.entries.iter().find(|entry| wanted(&entry.event)).map(|entry| entry.at)
    }

    /// The report of a pass; `None` if it returned an error, or has not returned.
    pub(crate) fn report(&self, wanted: usize) -> Option<&Report> {
        self.entries.iter().find_map(|entry| match &entry.event {
            Event::PassEnded { pass, report: Some(report) } if *pass == wanted => Some(&**report),
            _ => None,
        })
    }

    /// When the connection had been made, on the clock of the trace: possibly before its beginning.
    pub(crate) fn age_at(&self, id: Id, now: Duration) -> Option<Duration> {
        self.entries.iter().find_map(|entry| match entry.event {
            Event::Joined { id: joined, age, .. } if joined == id => {
                Some((now + age).saturating_sub(entry.at))
            }
            _ => None,
        })
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "window {}", self.window)?;
        for (number, plan) in self.passes.iter().enumerate() {
            writeln!(f, "pass {number}: {plan:?}")?;
        }
        for Entry { at, event } in &self.entries {
            writeln!(f, "{:>12.6} {event:?}", at.as_secs_f64())?;
        }
        Ok(())
    }
}
