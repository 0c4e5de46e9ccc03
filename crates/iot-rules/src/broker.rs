use std::{future::Future, net::SocketAddr, pin::Pin, sync::Arc};

use bytes::Bytes;

use crate::sql::SqlError;

/// A boxed future, so that [`RuleSink`] can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The wall clock: milliseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// One rule: which messages, what of them, and who gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Names the rule in logs and errors.
    pub name: String,
    /// The statement.
    pub sql: String,
    /// Functions that get the event, by the name that [`RuleSink::deliver`] receives.
    pub functions: Vec<String>,
}

/// Takes the events that rules make. Invocation is asynchronous (S6): the future ends when the event is accepted, not
/// when the function is done.
pub trait RuleSink: Send + Sync + 'static {
    /// Hands `event`, a JSON document, to `function`. Called for one event at a time, in the order of the messages.
    fn deliver(&self, function: &str, event: Bytes) -> BoxFuture<'_, Result<(), DeliverError>>;
}

/// Why a sink did not accept an event. The event is lost and counted; everything else goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DeliverError(pub String);

/// What [`IotRules::start`] needs.
#[derive(Clone)]
pub struct Config {
    /// Where to listen. With port 0 the first address gets a free port, and the others the same one.
    pub addresses: Vec<SocketAddr>,
    /// The rules.
    pub rules: Vec<Rule>,
    /// What `timestamp()` returns; by default the system's clock.
    pub clock: Clock,
}

/// What happened since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that clients published.
    pub published: u64,
    /// Events that the sink accepted.
    pub delivered: u64,
    /// Events that the sink did not accept, or not in time.
    pub failed: u64,
    /// Messages that fitted a rule's topic filter but whose payload is not what the rule needs.
    pub unreadable: u64,
    /// Messages that found the queue to the rules full.
    pub dropped: u64,
}

/// Why the broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another program listens there.
    #[error("mqtt address {address} is already in use")]
    AddressInUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The address cannot be listened on for another reason.
    #[error("cannot listen on mqtt address {address}: {source}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A rule's statement is not supported.
    #[error("rule {rule}: {source}")]
    Sql {
        /// [`Rule::name`].
        rule: String,
        /// What is wrong with it.
        source: SqlError,
    },
    /// The broker refused for a reason of its own.
    #[error("mqtt broker did not start: {message}")]
    Broker {
        /// What it said.
        message: String,
    },
}

/// The running broker. Dropping it stops the broker; [`IotRules::shutdown`] also delivers what is queued.
pub struct IotRules {
    local_addr: SocketAddr,
}

impl IotRules {
    /// Parses the rules, then listens.
    ///
    /// # Errors
    /// If a rule's SQL is not supported, or an address cannot be listened on.
    pub async fn start(_config: Config, _sink: Arc<dyn RuleSink>) -> Result<Self, StartError> {
        Err(StartError::Broker { message: "not built yet".into() })
    }

    /// The first address, with the port that it got.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts::default()
    }

    /// Closes the port, delivers what is queued within a bound, and returns the final counts.
    pub async fn shutdown(self) -> Counts {
        Counts::default()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self { addresses: Vec::new(), rules: Vec::new(), clock: Arc::new(|| 0) }
    }
}
