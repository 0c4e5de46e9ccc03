//! Plain text and TLS on one port.

use dunlin_gateway::rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::client_async;

use crate::certificates::{certificates, connector};
use crate::harness::{
    Act, Client, Stack, api, config, read_all, route, soon, status_of, two_way, upgrade_lines,
};

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
