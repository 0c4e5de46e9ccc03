use std::fmt::{Debug, Display};

use futures_util::future::BoxFuture;

use crate::Site;

/// One thing that the service does, and how to see it.
pub struct Case {
    /// The number of its fact, a dot, and a word: `H10.status`. Of what stands under a heading alone, the heading's
    /// number: `4.1.order`.
    pub id: &'static str,
    /// How the fact is known, as far as this case goes.
    pub mark: Mark,
    /// What the service does, in one sentence.
    pub says: &'static str,
    /// What it needs besides an address.
    pub need: Need,
    pub(crate) check: Check,
}

pub(crate) type Check = for<'a> fn(&'a Site) -> BoxFuture<'a, Checked>;

/// How a fact is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// In AWS's guides or API models.
    Documented,
    /// Seen by users of the service.
    Observed,
    /// Concluded from the others; nobody has seen it.
    Inferred,
}

/// What a case needs besides an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// That nobody else does anything meanwhile: it counts.
    Quiet,
    /// Minutes or hours: on a virtual clock where the gateway has one, else only if slow cases are asked for. It runs
    /// alone, since others would notice the time.
    Time,
}

/// Whether a fact was seen.
pub type Checked<T = ()> = Result<T, Unmet>;

/// Why it was not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unmet {
    /// The gateway does something else.
    Failed {
        /// What the service does.
        expected: String,
        /// What came.
        got: String,
    },
    /// It cannot be seen here.
    Skipped(String),
}

impl Case {
    pub(crate) const fn new(id: &'static str, mark: Mark, says: &'static str, check: Check) -> Self {
        Case { id, mark, says, need: Need::Nothing, check }
    }

    pub(crate) const fn in_quiet(self) -> Self {
        Case { need: Need::Quiet, ..self }
    }

    pub(crate) const fn takes_time(self) -> Self {
        Case { need: Need::Time, ..self }
    }

    /// The number of the fact that it is about.
    pub fn fact(&self) -> &'static str {
        self.id.rsplit_once('.').map_or(self.id, |(fact, _)| fact)
    }
}

/// The gateway does something else.
pub(crate) fn fails<T>(expected: impl Display, got: impl Display) -> Checked<T> {
    Err(Unmet::Failed { expected: expected.to_string(), got: got.to_string() })
}

/// Whether two values are the same.
pub(crate) fn equal<T: PartialEq<U> + Debug, U: Debug>(what: &str, got: T, expected: U) -> Checked {
    if got == expected { Ok(()) } else { fails(format!("{what}: {expected:?}"), format!("{got:?}")) }
}

/// Whether something is so.
pub(crate) fn holds(expected: &str, so: bool, got: impl Debug) -> Checked {
    if so { Ok(()) } else { fails(expected, format!("{got:?}")) }
}
