//! The store over TLS, as it is deployed: against the emulator behind a TLS server.

#![cfg(feature = "tls")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use dunlin_connection_store::{Connection, ConnectionStore as _, StoreErrorKind, Timestamp};
use dunlin_connection_store_dynamodb::{ConfigError, DynamoDbStore};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const NOW: Timestamp = Timestamp::from_epoch_ms(1_760_000_000_250);

/// An authority, as text, and a server's configuration with a certificate of it for these names.
fn certified(names: &[&str]) -> (String, ServerConfig) {
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let text = authority.self_signed(&authority_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let leaf = CertificateParams::new(names).unwrap();
    let leaf = leaf.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    (text, config)
}

/// A TLS server that hands everything on to the emulator; it ends with the test's runtime.
async fn tls_front(emulator: SocketAddr, config: ServerConfig) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                stream.set_nodelay(true).unwrap();
                // A client that does not trust the certificate hangs up here.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut onward = TcpStream::connect(emulator).await.unwrap();
                onward.set_nodelay(true).unwrap();
                // Whoever closes first, the other side sees it.
                tokio::io::copy_bidirectional(&mut stream, &mut onward).await.ok();
            });
        }
    });
    address
}

/// A store as a function has it, with one more variable.
fn store_with(address: SocketAddr, name: &'static str, value: &Path) -> Result<DynamoDbStore, ConfigError> {
    let endpoint = format!("https://127.0.0.1:{}", address.port());
    let variables = support::variables(&endpoint);
    let value = value.to_str().unwrap().to_owned();
    DynamoDbStore::from_lookup(support::TABLE, 42, |asked| {
        if asked == name { Some(value.clone()) } else { variables(asked) }
    })
}

#[tokio::test]
async fn the_table_is_reached_over_tls_with_the_authority_of_a_variable() {
    let (text, config) = certified(&["127.0.0.1"]);
    let (emulator, _) = support::emulator().await;
    let address = tls_front(emulator, config).await;
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("ca.pem");
    std::fs::write(&bundle, format!("# our own\n{text}")).unwrap();
    for name in ["AWS_CA_BUNDLE", "SSL_CERT_FILE"] {
        let store = store_with(address, name, &bundle).unwrap();
        store.ensure_table().await.unwrap();
        let connection = Connection::new("a".parse().unwrap(), NOW);
        store.add(&connection).await.unwrap();
        assert_eq!(store.connection(&connection.id, NOW).await.unwrap(), Some(connection), "{name}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_trusted_gets_no_request() {
    let (emulator, _) = support::emulator().await;
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("ca.pem");
    let (ours, _) = certified(&["127.0.0.1"]);
    std::fs::write(&bundle, ours).unwrap();
    // The certificate of another authority; and one of ours for another name.
    let (_, stranger) = certified(&["127.0.0.1"]);
    let store = store_with(tls_front(emulator, stranger).await, "AWS_CA_BUNDLE", &bundle).unwrap();
    let error = store.connection(&"a".parse().unwrap(), NOW).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(support::chain(&error).contains("invalid peer certificate"), "{}", support::chain(&error));

    let (text, misnamed) = certified(&["dynamodb.us-east-1.amazonaws.com"]);
    std::fs::write(&bundle, text).unwrap();
    let store = store_with(tls_front(emulator, misnamed).await, "AWS_CA_BUNDLE", &bundle).unwrap();
    let error = store.connection(&"a".parse().unwrap(), NOW).await.unwrap_err();
    assert!(support::chain(&error).contains("not valid for name"), "{}", support::chain(&error));
}

#[tokio::test]
async fn a_bundle_without_an_authority_is_named_with_its_variable() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("ca.pem");
    let address = "127.0.0.1:1".parse().unwrap();
    let garbage = "-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n";
    for (text, expected) in [
        (None, "No such file"),
        (Some(""), "0 certificates"),
        (Some(garbage), "1 certificates, of which none is an authority's"),
        (Some("-----BEGIN CERTIFICATE-----\nnot base64!\n"), ""),
    ] {
        if let Some(text) = text {
            std::fs::write(&bundle, text).unwrap();
        }
        let error = store_with(address, "AWS_CA_BUNDLE", &bundle).unwrap_err().to_string();
        let start = format!("AWS_CA_BUNDLE={} has no certificate of an authority", bundle.display());
        assert!(error.starts_with(&start) && error.contains(expected), "{error}");
    }
}
