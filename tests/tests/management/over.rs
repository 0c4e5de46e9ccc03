//! The suite's harness for the clients that speak HTTP: through the proxy, to the gateway.

use std::time::Duration;

use dunlin_events::ConnectionId;
use dunlin_management::ManagementClient;
use dunlin_management_aws::{ClientConfig, LeanManagementClient, ProvideCredentials, SdkManagementClient};

use crate::harness::{Harness, PATIENCE, Troubled};
use crate::proxy::{Act, Proxy};
use crate::service::{Client, REGION, Service, credentials};

/// Which client.
pub(crate) trait Kind {
    type Client: ManagementClient;

    fn make(config: ClientConfig) -> Self::Client;
}

pub(crate) struct Lean;
pub(crate) struct Sdk;

impl Kind for Lean {
    type Client = LeanManagementClient;

    fn make(config: ClientConfig) -> LeanManagementClient {
        LeanManagementClient::new(config).unwrap()
    }
}

impl Kind for Sdk {
    type Client = SdkManagementClient;

    fn make(config: ClientConfig) -> SdkManagementClient {
        SdkManagementClient::new(config).unwrap()
    }
}

pub(crate) struct Over<K: Kind> {
    pub(crate) service: Service,
    pub(crate) proxy: Proxy,
    client: K::Client,
}

impl<K: Kind> Over<K> {
    /// The configuration of a client with these credentials, on the service's clock.
    pub(crate) fn config(&self, credentials: impl ProvideCredentials + 'static) -> ClientConfig {
        config(&self.service, &format!("http://{}/dev", self.proxy.address), credentials)
    }

    /// Another client than the harness's own.
    pub(crate) fn make(&self, credentials: impl ProvideCredentials + 'static) -> K::Client {
        K::make(self.config(credentials))
    }

    pub(crate) fn make_at(&self, path: &str) -> K::Client {
        K::make(config(&self.service, &format!("http://{}{path}", self.proxy.address), credentials()))
    }

    pub(crate) fn make_impatient(&self, request_timeout: Duration) -> K::Client {
        K::make(self.config(credentials()).with_request_timeout(request_timeout))
    }
}

/// Patient, since a busy machine is not what the tests are about.
pub(crate) fn config(
    service: &Service,
    endpoint: &str,
    credentials: impl ProvideCredentials + 'static,
) -> ClientConfig {
    let clock = service.clock.clone();
    let config = ClientConfig::new(endpoint, REGION, credentials).unwrap();
    config.with_connect_timeout(PATIENCE).with_request_timeout(PATIENCE).with_clock(move || clock.now())
}

impl<K: Kind> Harness for Over<K> {
    type Client = K::Client;
    type Peer = Client;

    async fn start() -> Self {
        let service = Service::start(None).await;
        let proxy = Proxy::start(service.address).await;
        let client = K::make(config(&service, &format!("http://{}/dev", proxy.address), credentials()));
        Over { service, proxy, client }
    }

    fn client(&self) -> &K::Client {
        &self.client
    }

    async fn connect(&self) -> Client {
        self.service.connect().await
    }

    fn nobody(&self) -> ConnectionId {
        ConnectionId::from_bytes(*b"who is that")
    }

    fn arrived(&self) -> u64 {
        self.service.calls()
    }
}

impl<K: Kind> Troubled for Over<K> {
    fn answer_next(&self, _id: &ConnectionId, status: u16, headers: &[(&str, &str)]) {
        let mut answer = format!("HTTP/1.1 {status} Trouble\r\ncontent-length: 0\r\n");
        for (name, value) in headers {
            answer.push_str(&format!("{name}: {value}\r\n"));
        }
        self.proxy.next(Act::Say(answer + "\r\n"));
    }
}
