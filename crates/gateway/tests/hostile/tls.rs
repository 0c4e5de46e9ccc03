//! H2: TLS 1.2 and 1.3, and nothing older.

use std::sync::Arc;

use dunlin_gateway::rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion, crypto::ring::default_provider,
    pki_types::ServerName, version,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use crate::{
    certificates::certificates,
    harness::{Stack, api, config, read_head, soon, status_of, upgrade_lines},
};

/// The alert for a version that is not spoken (RFC 5246, section 7.2).
const PROTOCOL_VERSION: u8 = 70;

/// A ClientHello for this version, as old clients make it.
fn client_hello(minor: u8) -> Vec<u8> {
    let mut hello = vec![3, minor];
    hello.extend([7; 32]);
    // No session, four cipher suites, no compression.
    hello.extend([0, 0, 8, 0xc0, 0x13, 0xc0, 0x14, 0x00, 0x2f, 0x00, 0x35, 1, 0]);
    // Signature algorithms are the only extension.
    hello.extend([0, 8, 0, 13, 0, 4, 0, 2, 4, 3]);
    let length = u8::try_from(hello.len()).unwrap();
    [&[0x16, 3, 1, 0, length + 4, 1, 0, 0, length][..], &hello].concat()
}

#[tokio::test]
async fn older_versions_are_refused() {
    let mut config = config();
    config.tls = Some(certificates().1);
    let stack = Stack::start_with(config, vec![api("a1b2c3d4e5", vec![])]).await;
    let alert = async |minor: u8| {
        let mut stream = stack.tcp().await;
        stream.write_all(&client_hello(minor)).await.unwrap();
        let mut record = [0; 7];
        soon(stream.read_exact(&mut record)).await.unwrap();
        assert_eq!((record[0], &record[3..6]), (0x15, &[0, 2, 2][..]), "a fatal alert");
        record[6]
    };
    // SSL 3.0, TLS 1.0, TLS 1.1.
    for minor in 0..=2 {
        assert_eq!(alert(minor).await, PROTOCOL_VERSION, "3.{minor}");
    }
    // The same for TLS 1.2 fails for its cipher suites, and not for its version.
    assert_ne!(alert(3).await, PROTOCOL_VERSION);
}

#[tokio::test]
async fn newer_versions_are_spoken() {
    let (authority, server) = certificates();
    let mut config = config();
    config.tls = Some(server);
    let stack = Stack::start_with(config, vec![api("a1b2c3d4e5", vec![])]).await;
    for version in [&version::TLS12, &version::TLS13] {
        let version: &'static SupportedProtocolVersion = version;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let connecting = TlsConnector::from(Arc::new(client)).connect(name, stack.tcp().await);
        let mut stream = soon(connecting).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        let lines = upgrade_lines("localhost");
        stream.write_all(format!("GET /dev HTTP/1.1\r\n{lines}\r\n").as_bytes()).await.unwrap();
        assert_eq!(status_of(&read_head(&mut stream).await), 101);
    }
}
