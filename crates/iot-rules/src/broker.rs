use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use dunlin_events::limits::IOT_MESSAGE_BYTES_MAX;
use mqtt5::broker::{BrokerConfig, MqttBroker, server::BrokerShutdownHandle};
use tokio::{net::TcpSocket, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    engine::{Counts, RuleError, State, engine},
    hook::{AnyClient, Hook, Subscribers},
    rule::{Rule, RuleSink},
};

/// One MQTT packet: the payload, and room for the topic (256 bytes on the service) and properties.
const PACKET_BYTES_MAX: usize = IOT_MESSAGE_BYTES_MAX + 8 * 1024;

/// Clients at the same time: ours, within the open files of one process.
const CLIENTS_MAX: usize = 8_000;

/// Messages that wait for one slow subscriber: ours.
const SUBSCRIBER_QUEUE_MAX: usize = 1_000;

/// Retained messages: ours; one per topic of a large set of devices.
const RETAINED_MAX: usize = 20_000;

/// How long a session outlives its connection: the service's default for persistent sessions.
const SESSION_EXPIRY: Duration = Duration::from_secs(60 * 60);

/// How long the broker may take to accept connections: ours; it takes milliseconds.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the broker may take to close its connections: ours. Only one that has not said anything yet takes long.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// How long queued messages may take to be delivered at the end: ours.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a free port is tried that must be free on several addresses.
const PORT_ATTEMPTS_MAX: usize = 16;

/// The wall clock: milliseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What [`IotRules::start`] needs.
#[derive(Clone)]
pub struct Config {
    /// Where to listen; at least one. With port 0 the first address gets a free port, and the others the same one.
    pub addresses: Vec<SocketAddr>,
    /// The rules.
    pub rules: Vec<Rule>,
    /// What `accountid()` returns.
    pub account_id: String,
    /// What `timestamp()` returns; by default the system's clock.
    pub clock: Clock,
}

impl Default for Config {
    fn default() -> Self {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let clock = Arc::new(move || u64::try_from(now().as_millis()).unwrap_or(u64::MAX));
        Self { addresses: Vec::new(), rules: Vec::new(), account_id: "000000000000".to_owned(), clock }
    }
}

/// Why the broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// [`Config::addresses`] is empty.
    #[error("no mqtt address is given")]
    NoAddress,
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
    /// A rule cannot run.
    #[error("rule {rule}: {source}")]
    Rule {
        /// [`Rule::name`].
        rule: String,
        /// What is wrong with it.
        source: RuleError,
    },
    /// The broker refused for a reason of its own.
    #[error("mqtt broker did not start: {message}")]
    Broker {
        /// What it said.
        message: String,
    },
}

/// The running broker. Dropping it stops the broker at once; [`IotRules::shutdown`] also delivers what is queued.
pub struct IotRules {
    addresses: Vec<SocketAddr>,
    state: Arc<State>,
    broker: BrokerShutdownHandle,
    broker_task: JoinHandle<()>,
    stop_worker: CancellationToken,
    worker_task: JoinHandle<Counts>,
}

impl IotRules {
    /// Parses the rules, then listens. Connections are accepted when this returns.
    ///
    /// # Errors
    /// If a rule's SQL is not supported, a template in an action is not one, or an address cannot be listened on.
    pub async fn start(config: Config, sink: Arc<dyn RuleSink>) -> Result<Self, StartError> {
        let Config { addresses, rules, account_id, clock } = config;
        let (intake, worker) =
            engine(&rules, &account_id, sink).map_err(|(rule, source)| StartError::Rule { rule, source })?;
        let (addresses, reserved) = reserve(addresses)?;
        let state = intake.state();
        let hook = Hook::new(intake, clock);
        let broker = MqttBroker::with_config(broker_config(&addresses, hook)).await.map_err(refused)?;
        let mut broker = broker.with_auth_provider(Arc::new(AnyClient));
        let subscribers = Arc::new(Subscribers(broker.router()));
        let addresses = with_port(addresses, broker.local_addr());
        drop(reserved);
        let mut ready = broker.ready_receiver();
        let handle = broker.shutdown_handle();
        let broker_task = tokio::spawn(async move {
            if let Err(error) = Box::pin(broker.run()).await {
                tracing::error!(%error, "mqtt broker ended");
            }
        });
        // A shutdown that comes before this point would be lost: the broker does not listen for one yet.
        match tokio::time::timeout(START_TIMEOUT, ready.wait_for(|ready| *ready)).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => {
                broker_task.abort();
                return Err(StartError::Broker { message: "it does not accept connections".to_owned() });
            }
        }
        let stop_worker = CancellationToken::new();
        let worker_task = tokio::spawn(worker.run(subscribers, stop_worker.clone()));
        Ok(Self { addresses, state, broker: handle, broker_task, stop_worker, worker_task })
    }

    /// The first address, with the port that it got.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// All addresses, with the port that they got.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state.counts()
    }

    /// Closes the port, delivers what is queued, within three seconds in all, and returns the final counts.
    pub async fn shutdown(mut self) -> Counts {
        self.broker.shutdown();
        if tokio::time::timeout(STOP_TIMEOUT, &mut self.broker_task).await.is_err() {
            self.broker_task.abort();
        }
        self.stop_worker.cancel();
        if tokio::time::timeout(DRAIN_TIMEOUT, &mut self.worker_task).await.is_err() {
            self.worker_task.abort();
        }
        self.state.abandon_pending();
        self.state.counts()
    }
}

impl Drop for IotRules {
    fn drop(&mut self) {
        self.broker.shutdown();
        self.broker_task.abort();
        self.worker_task.abort();
    }
}

fn broker_config(addresses: &[SocketAddr], hook: Hook) -> BrokerConfig {
    let mut config = BrokerConfig::default().with_event_handler(Arc::new(hook));
    config.bind_addresses = addresses.to_vec();
    config.max_clients = CLIENTS_MAX;
    config.max_packet_size = PACKET_BYTES_MAX;
    config.client_channel_capacity = SUBSCRIBER_QUEUE_MAX;
    config.max_retained_messages = RETAINED_MAX;
    config.session_expiry_interval = SESSION_EXPIRY;
    config.storage_config.enable_persistence = false;
    // The service has no QoS 2 (S11).
    config.maximum_qos = 1;
    config.sys_topics_enabled = false;
    config
}

/// The addresses, with a port that is free on all of them, and sockets that keep it for the broker until it listens. The
/// broker binds by itself, says nothing about an address that it does not get if it gets another, and words its errors
/// for other programs.
fn reserve(addresses: Vec<SocketAddr>) -> Result<(Vec<SocketAddr>, Vec<TcpSocket>), StartError> {
    let first = *addresses.first().ok_or(StartError::NoAddress)?;
    let mut attempts = PORT_ATTEMPTS_MAX;
    loop {
        let mut reserved = vec![bind(first)?];
        let found = with_port(addresses.clone(), reserved[0].local_addr().ok());
        for address in &found[1..] {
            match bind(*address) {
                Ok(socket) => reserved.push(socket),
                Err(StartError::AddressInUse { .. }) if first.port() == 0 && attempts > 1 => break,
                Err(error) => return Err(error),
            }
        }
        if reserved.len() == found.len() {
            return Ok((found, reserved));
        }
        attempts -= 1;
    }
}

/// Binds without listening. Such an address is nobody else's: neither a listener on any free port nor an outgoing
/// connection gets it. The broker does, since both sockets allow the reuse and only one listens.
fn bind(address: SocketAddr) -> Result<TcpSocket, StartError> {
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    };
    bind().map_err(|error| unbound(address, error))
}

fn with_port(mut addresses: Vec<SocketAddr>, bound: Option<SocketAddr>) -> Vec<SocketAddr> {
    if let Some(bound) = bound {
        addresses.iter_mut().for_each(|address| address.set_port(bound.port()));
    }
    addresses
}

fn unbound(address: SocketAddr, source: std::io::Error) -> StartError {
    match source.kind() {
        std::io::ErrorKind::AddrInUse => StartError::AddressInUse { address },
        _ => StartError::Bind { address, source },
    }
}

fn refused(error: mqtt5::MqttError) -> StartError {
    StartError::Broker { message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::{io::ErrorKind, net::TcpListener};

    use super::*;

    #[tokio::test]
    async fn a_reserved_port_is_for_the_broker_alone() {
        let addresses = ["127.0.0.1:0", "127.0.0.2:0"].map(|address| address.parse().unwrap());
        let (found, _reserved) = reserve(addresses.to_vec()).unwrap();
        assert_eq!(found[0].port(), found[1].port());
        for address in found {
            // As the kernel does that looks for a free port.
            let stranger = TcpSocket::new_v4().unwrap();
            assert_eq!(stranger.bind(address).unwrap_err().kind(), ErrorKind::AddrInUse);
            // As the broker does.
            let broker = TcpListener::bind(address).unwrap();
            assert!(matches!(reserve(vec![address]), Err(StartError::AddressInUse { .. })));
            drop(broker);
        }
    }
}
