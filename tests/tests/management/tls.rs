//! TLS: the suite straight to the gateway's port, and whom a client does not trust.

use std::sync::Arc;

use dunlin_events::ConnectionId;
use dunlin_gateway::rustls::ServerConfig;
use dunlin_gateway::rustls::crypto::ring::default_provider;
use dunlin_gateway::rustls::pki_types::PrivateKeyDer;
use dunlin_management::{ManagementClient, ManagementErrorKind, PostOutcome};
use dunlin_management_aws::Roots;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::harness::{Harness, Peer as _};
use crate::over::{Kind, Lean, Sdk, config};
use crate::service::{Client, Service, credentials};

pub(crate) struct OverTls<K: Kind> {
    service: Service,
    authority: Vec<u8>,
    client: K::Client,
}

impl<K: Kind> OverTls<K> {
    /// A client of the service under this name.
    fn make(service: &Service, host: &str, roots: Roots) -> K::Client {
        let endpoint = format!("https://{host}:{}/dev", service.address.port());
        K::make(config(service, &endpoint, credentials()).with_roots(roots))
    }
}

impl<K: Kind> Harness for OverTls<K> {
    type Client = K::Client;
    type Peer = Client;

    async fn start() -> Self {
        let (authority, server) = certificates();
        let service = Service::start(Some(server)).await;
        let client = Self::make(&service, "localhost", Roots::Pem(authority.clone()));
        OverTls { service, authority, client }
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

/// An authority as a PEM text, and a server that it certified for localhost alone.
fn certificates() -> (Vec<u8>, Arc<ServerConfig>) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = ca.self_signed(&ca_key).unwrap().pem().into_bytes();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    (authority, Arc::new(server))
}

async fn nobody_is_trusted_without_a_certificate<K: Kind>() {
    let harness = OverTls::<K>::start().await;
    let mut peer = harness.connect().await;
    let of_another_authority = Roots::Pem(certificates().0);
    let roots = Roots::Pem(harness.authority.clone());
    for client in [
        OverTls::<K>::make(&harness.service, "localhost", of_another_authority),
        // A name that is not in the certificate.
        OverTls::<K>::make(&harness.service, "127.0.0.1", roots),
    ] {
        let error = client.post(peer.id(), "hello".into()).await.unwrap_err();
        assert_eq!(error.kind(), ManagementErrorKind::Unavailable);
    }
    assert_eq!(harness.arrived(), 0, "nothing was sent");
    assert_eq!(harness.client().post(peer.id(), "well".into()).await.unwrap(), PostOutcome::Delivered);
    assert_eq!(peer.message().await, "well");
}

#[tokio::test]
async fn the_lean_client_trusts_nobody_without_a_certificate() {
    nobody_is_trusted_without_a_certificate::<Lean>().await;
}

#[tokio::test]
async fn the_sdk_client_trusts_nobody_without_a_certificate() {
    nobody_is_trusted_without_a_certificate::<Sdk>().await;
}

/// The file of `AWS_CA_BUNDLE`, as the local stack names it to its functions.
#[tokio::test]
async fn the_variables_of_a_function_are_enough() {
    let harness = OverTls::<Lean>::start().await;
    let mut peer = harness.connect().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &harness.authority).unwrap();
    let endpoint = format!("https://localhost:{}/dev", harness.service.address.port());
    let lookup = |name: &str| {
        Some(match name {
            "MANAGEMENT_ENDPOINT" => endpoint.clone(),
            "AWS_REGION" => crate::service::REGION.to_owned(),
            "AWS_ACCESS_KEY_ID" => credentials().access_key_id().to_owned(),
            "AWS_SECRET_ACCESS_KEY" => credentials().secret_access_key().to_owned(),
            "AWS_CA_BUNDLE" => file.path().to_str().unwrap().to_owned(),
            _ => return None,
        })
    };
    let clock = harness.service.clock.clone();
    let config = dunlin_management_aws::ClientConfig::from_lookup(lookup).unwrap();
    let client = Lean::make(config.with_clock(move || clock.now()));
    assert_eq!(client.post(peer.id(), "hello".into()).await.unwrap(), PostOutcome::Delivered);
    assert_eq!(peer.message().await, "hello");
}
