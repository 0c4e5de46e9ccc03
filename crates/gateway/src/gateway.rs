use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    net::TcpListener,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_rustls::rustls::RootCertStore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    ApiConfig, Backend, ConfigError, Counters, GatewayConfig, Limits,
    accept::{self, Admission},
    api::Api,
    clock::{Time, millis},
    closing::CloseCause,
    connection::Connection,
    counters::LiveCounters,
    faults::Faults,
    host::Hosts,
    ids::{IdBytes, Ids},
    integration::HttpClient,
    sigv4::{MANAGEMENT_SERVICE, Verifier},
    throttle::AccountBuckets,
    usage::Usage,
};

/// The data plane: any number of APIs, each served on any number of listeners.
pub struct Gateway<B> {
    pub(crate) config: GatewayConfig,
    pub(crate) backend: B,
    pub(crate) counters: LiveCounters,
    pub(crate) time: Time,
    pub(crate) faults: Faults,
    pub(crate) hosts: Hosts,
    pub(crate) ids: Ids,
    pub(crate) verifier: Verifier,
    pub(crate) account: AccountBuckets,
    pub(crate) usage: Usage,
    pub(crate) http: HttpClient,
    apis: HashMap<Box<str>, Arc<Api>>,
    listeners: AtomicU32,
    pub(crate) admission: Admission,
}

/// One call of [`Gateway::serve`].
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) number: u32,
    pub(crate) port: u16,
    /// Everything that it started.
    pub(crate) tracker: TaskTracker,
    /// Begin to end.
    pub(crate) shutdown: CancellationToken,
    /// The time for ending is over.
    pub(crate) kill: CancellationToken,
}

/// How long [`Gateway::serve`] may take to close its connections and tell `$disconnect`. Ours: a developer who presses
/// Ctrl-C waits that long at most.
pub const SHUTDOWN_TIME_MAX: Duration = Duration::from_secs(5);

/// Connections are looked at for their idle time and age this many times in the shorter of both, and at least every second, which is
/// finer than the service's own (U21).
const SWEEPS_PER_TIMEOUT: u32 = 20;

impl<B: Backend> Gateway<B> {
    /// Checks the APIs and prepares to serve them.
    ///
    /// # Errors
    /// [`ConfigError`] names the API and what is wrong with it.
    pub fn new(config: GatewayConfig, apis: Vec<ApiConfig>, backend: B) -> Result<Arc<Self>, ConfigError> {
        let mut compiled: HashMap<Box<str>, Arc<Api>> = HashMap::with_capacity(apis.len());
        for api in apis {
            let api = Arc::new(Api::compile(api)?);
            if let Some(twin) = compiled.insert(api.id.clone(), api) {
                return Err(ConfigError::DuplicateApi { api_id: twin.id.to_string() });
            }
        }
        Ok(Arc::new(Gateway {
            backend,
            counters: LiveCounters::default(),
            time: Time::new(
                Arc::clone(&config.clock),
                Arc::clone(&config.ticks),
                config.control_token.is_some(),
            ),
            faults: Faults::default(),
            hosts: Hosts::compile(&config, &compiled)?,
            ids: Ids::new(config.id_seed),
            verifier: Verifier::new(
                MANAGEMENT_SERVICE,
                config.region.clone(),
                Arc::clone(&config.credentials),
            ),
            usage: Usage::compile(&config.api_keys, &config.usage_plans)?,
            http: HttpClient::new(authorities(&config, compiled.values())),
            account: AccountBuckets::new(config.account_throttles),
            apis: compiled,
            listeners: AtomicU32::new(0),
            admission: Admission::new(&config.limits),
            config,
        }))
    }

    /// Serves `api_id` on `listener` until `shutdown` is cancelled. Several listeners may serve one API, each with a
    /// call of its own.
    ///
    /// At shutdown every connection that came through this listener gets a close frame with 1001, its `$disconnect`
    /// runs, and the call returns after [`SHUTDOWN_TIME_MAX`] at the latest. A call that is dropped only stops accepting.
    ///
    /// # Errors
    /// [`ServeError::UnknownApi`]. A failing accept is logged and tried again.
    pub async fn serve(
        self: &Arc<Self>,
        api_id: &str,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        let api = self.api(api_id).ok_or_else(|| ServeError::UnknownApi(api_id.to_owned()))?;
        let me = Arc::new(Listener {
            number: self.listeners.fetch_add(1, Relaxed),
            port: listener.local_addr().map_or(0, |address| address.port()),
            tracker: TaskTracker::new(),
            shutdown,
            kill: CancellationToken::new(),
        });
        me.tracker.spawn(sweep(Arc::clone(self), Arc::clone(&me)));
        let accepting = accept::accept(self, api, &listener, &me);
        me.shutdown.run_until_cancelled(accepting).await;
        drop(listener);

        self.for_each_connection(&me, |connection| {
            let _ = connection.outbox.close(CloseCause::Shutdown);
        });
        me.tracker.close();
        if timeout(SHUTDOWN_TIME_MAX, me.tracker.wait()).await.is_err() {
            tracing::warn!(api_id, tasks = me.tracker.len(), "not everything ended in time");
        }
        me.kill.cancel();
        Ok(())
    }

    /// What has happened so far.
    pub fn counters(&self) -> Counters {
        self.counters.read()
    }
}

impl<B> Gateway<B> {
    /// Milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> u64 {
        self.time.now_ms()
    }

    /// Milliseconds on a clock that only goes forward.
    pub(crate) fn tick(&self) -> u64 {
        millis(self.time.ticks())
    }

    pub(crate) fn apis(&self) -> impl Iterator<Item = &Api> {
        self.apis.values().map(|api| &**api)
    }

    /// The API with this id.
    pub(crate) fn api(&self, api_id: &str) -> Option<&Arc<Api>> {
        self.apis.get(api_id)
    }

    /// Shows every connection of every API to `visit`, which must be quick.
    pub(crate) fn for_every_connection(&self, mut visit: impl FnMut(&Arc<Connection>)) {
        self.apis.values().for_each(|api| api.registry.for_each(&mut visit));
    }

    /// Sets the clock ahead; everything that is due by then has been started when this returns. `false`: that is too far.
    pub(crate) async fn advance(&self, by: Duration) -> bool {
        let Ok(ahead) = self.time.advance(by) else { return false };
        self.close_overdue();
        if let Some(follow) = &self.config.on_advance {
            follow(ahead).await;
        }
        true
    }

    /// Closes connections that were idle too long or are too old.
    pub(crate) fn close_overdue(&self) {
        let now = self.tick();
        let Limits { idle_timeout, connection_life_max, .. } = self.config.limits;
        let (idle, life) = (millis(idle_timeout), millis(connection_life_max));
        for api in self.apis.values() {
            let mut closed = Vec::new();
            api.registry.for_each(|connection| {
                let cause = if now.saturating_sub(connection.connected_tick) >= life {
                    CloseCause::Aged
                } else if now.saturating_sub(connection.last_active_tick()) >= idle {
                    CloseCause::Idle
                } else {
                    return;
                };
                // One that closes already needs no second reason.
                if connection.outbox.close(cause).is_ok() {
                    closed.push(connection.key);
                }
            });
            // At once, so that whoever asks next learns that they are gone.
            closed.iter().for_each(|key| {
                api.registry.remove(key);
            });
        }
    }

    /// Whether a connection with this id belongs to another API than this one.
    pub(crate) fn is_of_another_api(&self, key: &IdBytes, api: &Api) -> bool {
        self.apis.values().any(|other| other.id != api.id && other.registry.get(key).is_some())
    }

    fn for_each_connection(&self, listener: &Listener, mut visit: impl FnMut(&Connection)) {
        // A Host may have led a client from this listener to any of the APIs.
        for api in self.apis.values() {
            api.registry.for_each(|connection| {
                if connection.listener == listener.number {
                    visit(connection);
                }
            });
        }
    }
}

/// The authorities that endpoints are checked with: none where no route needs any.
fn authorities<'a>(
    config: &GatewayConfig,
    mut apis: impl Iterator<Item = &'a Arc<Api>>,
) -> Arc<RootCertStore> {
    if let Some(own) = &config.endpoint_authorities {
        return Arc::clone(own);
    }
    let mut store = RootCertStore::empty();
    if apis.any(|api| api.may_need_tls()) {
        // A system may have some that are of no use; what counts is that there are others.
        let (trusted, _) = store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if trusted == 0 {
            tracing::warn!(
                "the system has no certificate authorities: no https endpoint can be called; set SSL_CERT_FILE to a file that \
                 has them"
            );
        }
    }
    Arc::new(store)
}

/// Closes connections that were idle too long or are too old: one task that walks over all of them, instead of a timer each.
async fn sweep<B>(gateway: Arc<Gateway<B>>, listener: Arc<Listener>) {
    let limits = &gateway.config.limits;
    let (idle, life) = (limits.idle_timeout, limits.connection_life_max);
    let pause = (idle.min(life) / SWEEPS_PER_TIMEOUT).clamp(Duration::from_millis(1), Duration::from_secs(1));
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while listener.shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        gateway.close_overdue();
    }
}

/// Why an API cannot be served.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ServeError {
    /// The gateway was not given such an API.
    #[error("there is no API {0} in this gateway")]
    UnknownApi(String),
}
