//! Other ways in: TLS to the target and to the broker, and updates that are HTTP requests.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use dunlin_loadtest::measured::Metric;
use futures_util::SinkExt;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::chat::server;
use crate::program::{play, shipped};
use crate::stack::{Fate, Stack};
use crate::swarm::{reach, small, times};

#[tokio::test(flavor = "multi_thread")]
async fn tls_leads_to_the_target_and_to_the_broker() {
    let stack = Stack::start(|_, _| Fate::Copies(1)).await;
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let acceptor = acceptor(&ca_file);
    let target = stack.ws.strip_prefix("ws://").unwrap().strip_suffix("/dev").unwrap().parse().unwrap();
    let (target, broker) =
        (door(&acceptor, target).await, door(&acceptor, stack.mqtt.parse().unwrap()).await);
    let arguments = [
        format!("--target=wss://{target}/dev"),
        format!("--set=target.ca_file={}", ca_file.display()),
        format!("--set=target.cause.mqtt.broker=mqtts://{broker}"),
        format!("--set=target.cause.mqtt.ca_file={}", ca_file.display()),
    ];
    let finished = play(&small(&stack), &arguments.each_ref().map(String::as_str)).await;
    let measured = finished.measured();
    assert_eq!((measured.errors.as_slice(), reach(&measured).lost), (&[][..], 0), "{}", finished.stderr);
    assert_eq!(reach(&measured).received, stack.counts().due);
    assert_eq!(times(&measured, Metric::Tls).0.len(), 20, "each client shakes hands once");

    // Without the authority the target is not believed.
    let finished = play(&small(&stack), &[&arguments[0], &arguments[2]]).await;
    finished.refused(69, "certificate");
}

/// Makes a certificate for 127.0.0.1, which is its own authority.
fn acceptor(ca_file: &Path) -> TlsAcceptor {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(ca_file, certified.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Opens a door with TLS in front of what has none.
async fn door(acceptor: &TlsAcceptor, to: SocketAddr) -> SocketAddr {
    let (listener, acceptor) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), acceptor.clone());
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((outside, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                outside.set_nodelay(true).unwrap();
                // A client that does not believe the certificate goes.
                let Ok(mut outside) = acceptor.accept(outside).await else { return };
                let mut inside = TcpStream::connect(to).await.unwrap();
                inside.set_nodelay(true).unwrap();
                // Either side may end it.
                let _ = copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_may_be_http_requests() {
    let chat = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("ws://{}", chat.local_addr().unwrap());
    tokio::spawn(server::serve(chat));
    let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cause = format!("http://{}/say?topic={{topic}}", http.local_addr().unwrap());
    tokio::spawn(repeat(http, format!("{target}/others")));
    let scenario = std::fs::read_to_string(shipped("chat.toml")).unwrap();
    let scenario = scenario.replace(
        r#"target = "apps/chat.toml""#,
        &format!("target = {{ cause = {{ http = {{ url = '{cause}', body = '{{stamp}}' }} }} }}"),
    );
    let at = format!("--target={target}/");
    let finished = play(&scenario, &[&at, "--seconds=2", "--set=updates.arrivals=constant"]).await;
    let measured = finished.measured();
    let reach = reach(&measured);
    // Thirty messages to twenty people.
    assert_eq!((reach.expected, reach.received), (600, 600), "{}", finished.stderr);
    assert_eq!(measured.errors, []);
}

/// Says in the chat whatever is posted.
async fn repeat(listener: TcpListener, chat: String) {
    let (chat, _) = connect_async(chat).await.unwrap();
    let chat = Arc::new(tokio::sync::Mutex::new(chat));
    while let Ok((stream, _)) = listener.accept().await {
        let chat = Arc::clone(&chat);
        tokio::spawn(async move {
            let mut stream = BufReader::new(stream);
            let (mut line, mut length) = (String::new(), 0);
            while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                let header = line.trim_end().to_ascii_lowercase();
                if let Some(value) = header.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
                if !header.is_empty() {
                    continue;
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body).await.unwrap();
                let said = Message::text(String::from_utf8(body).unwrap());
                chat.lock().await.send(said).await.unwrap();
                let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
                stream.get_mut().write_all(answer).await.unwrap();
            }
        });
    }
}
