//! Plain text and TLS on one port.

use std::sync::Arc;

use dunlin_gateway::rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::client_async;

use crate::harness::{
    Act, Client, Stack, api, config, read_all, route, soon, status_of, two_way, upgrade_lines,
};

/// A certificate authority, and a server certificate for localhost and 127.0.0.1 that it signed.
fn certificates() -> (CertificateDer<'static>, Arc<ServerConfig>) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    (ca_certificate.der().clone(), Arc::new(server))
}

fn connector(authority: CertificateDer<'static>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(authority).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(client))
}

#[tokio::test]
async fn both_speak_on_one_port() {
    let (authority, server) = certificates();
    let mut config = config();
    config.tls = Some(server);
    let routes = vec![route("$connect"), route("$disconnect"), two_way("$default")];
    let stack = Stack::start_with(config, vec![api("a1b2c3d4e5", routes)]).await;
    stack.script.on("default", Act::Echo);
    let connector = connector(authority);
    let name = || ServerName::try_from("localhost").unwrap();

    let stream = soon(connector.connect(name(), stack.tcp().await)).await.unwrap();
    let url = format!("wss://localhost:{}/dev", stack.address.port());
    let (socket, _) = soon(Box::pin(client_async(url, stream))).await.unwrap();
    let mut secure = Client { socket };
    let mut plain = stack.connect().await;
    let forwarded = async || {
        let event = stack.script.json("connect").await;
        let header = |name: &str| event["headers"][name].as_str().unwrap().to_owned();
        (header("X-Forwarded-Proto"), header("Host"))
    };
    assert_eq!(forwarded().await, ("https".to_owned(), format!("localhost:{}", stack.address.port())));
    assert_eq!(forwarded().await, ("http".to_owned(), stack.host()));
    for _ in 0..3 {
        secure.send("over TLS").await;
        plain.send("in the clear").await;
        assert_eq!(secure.text().await, "over TLS");
        assert_eq!(plain.text().await, "in the clear");
    }
    let long = "x".repeat(32 * 1024);
    secure.send(&long).await;
    assert_eq!(secure.text().await, long);
    // The close codes arrive over TLS too.
    let _ = futures_util::SinkExt::send(
        &mut secure.socket,
        tokio_tungstenite::tungstenite::Message::text("x".repeat(100_000)),
    )
    .await;
    assert_eq!(secure.closed().await.0, 1009);
    drop(secure);
    assert_eq!(stack.script.json("disconnect").await["requestContext"]["disconnectStatusCode"], 1009);

    // Refusals and management calls.
    let mut stream = soon(connector.connect(name(), stack.tcp().await)).await.unwrap();
    let lines = upgrade_lines("rebound.example");
    stream.write_all(format!("GET /dev HTTP/1.1\r\n{lines}\r\n").as_bytes()).await.unwrap();
    assert_eq!(status_of(&read_all(&mut stream).await), 403);
    let mut stream = soon(connector.connect(name(), stack.tcp().await)).await.unwrap();
    let request = "GET /dev/@connections/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(read_all(&mut stream).await.ends_with("{\"message\":\"Missing Authentication Token\"}"));
}

#[tokio::test]
async fn broken_tls_harms_nobody() {
    let (authority, server) = certificates();
    let mut config = config();
    config.tls = Some(server);
    let stack = Stack::start_with(config, vec![api("a1b2c3d4e5", vec![])]).await;
    // A TLS record of nonsense, and a client that stops in the middle.
    let mut stream = stack.tcp().await;
    stream.write_all(&[0x16, 0x03, 0x01, 0x00, 0x05, 1, 2, 3, 4, 5]).await.unwrap();
    let mut rest = Vec::new();
    let _ = soon(stream.read_to_end(&mut rest)).await;
    let mut half = stack.tcp().await;
    half.write_all(&[0x16, 0x03]).await.unwrap();
    drop(half);
    let stream = connector(authority).connect(ServerName::try_from("localhost").unwrap(), stack.tcp().await);
    let stream = soon(stream).await.unwrap();
    let url = format!("wss://localhost:{}/dev", stack.address.port());
    soon(Box::pin(client_async(url, stream))).await.unwrap();
}
