//! What lies between a client and the service: signatures, addresses, broken connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use aws_credential_types::provider::{error::CredentialsError, future};
use bytes::Bytes;
use dunlin_events::{ConnectionId, limits::MESSAGE_BYTES_MAX};
use dunlin_management::{ManagementClient, ManagementErrorKind, PostOutcome};
use dunlin_management_aws::{Credentials, ProvideCredentials};

use crate::harness::{Harness as _, Peer as _};
use crate::over::{Kind, Over};
use crate::proxy::Act;
use crate::service::{SECRET, credentials};

const HOUR: Duration = Duration::from_secs(3600);

/// More than the service holds back for a client that does not read, and more than any socket's buffers.
const POSTS_UNREAD_MAX: usize = 400;

async fn refusal(client: &impl ManagementClient, id: &ConnectionId) -> ManagementErrorKind {
    let error = client.post(id, "hello".into()).await.unwrap_err();
    assert!(!error.kind().is_retryable());
    error.kind()
}

/// C5.
pub(crate) async fn a_wrong_signature_is_forbidden<K: Kind>(harness: Over<K>) {
    let peer = harness.connect().await;
    for (access_key_id, secret) in
        [(credentials().access_key_id(), "another secret"), ("AKIDSOMEBODY", SECRET)]
    {
        let stranger = harness.make(Credentials::new(access_key_id, secret, None, None, "test"));
        assert_eq!(refusal(&stranger, peer.id()).await, ManagementErrorKind::Forbidden);
        assert_eq!(stranger.get(peer.id()).await.unwrap_err().kind(), ManagementErrorKind::Forbidden);
        assert_eq!(stranger.delete(peer.id()).await.unwrap_err().kind(), ManagementErrorKind::Forbidden);
    }
    // Not even whether there is such a connection.
    let stranger = harness.make(Credentials::new("AKIDSOMEBODY", SECRET, None, None, "test"));
    assert_eq!(refusal(&stranger, &harness.nobody()).await, ManagementErrorKind::Forbidden);
    assert!(harness.client().get(peer.id()).await.unwrap().is_some());
}

/// Temporary credentials count with their token only, and not for ever.
pub(crate) async fn a_token_is_checked<K: Kind>(harness: Over<K>) {
    let mut peer = harness.connect().await;
    let with = |token: Option<&str>| {
        Credentials::new("ASIATEMPORARY", SECRET, token.map(str::to_owned), None, "test")
    };
    harness.service.taker()(with(Some("FwoGZXIvYXdz//EXAMPLE==")));
    let temporary = harness.make(with(Some("FwoGZXIvYXdz//EXAMPLE==")));
    assert_eq!(temporary.post(peer.id(), "hello".into()).await.unwrap(), PostOutcome::Delivered);
    assert_eq!(peer.message().await, "hello");
    for token in [None, Some("another")] {
        assert_eq!(refusal(&harness.make(with(token)), peer.id()).await, ManagementErrorKind::Forbidden);
    }
    harness.service.taker()(credentials());
    assert_eq!(refusal(&temporary, peer.id()).await, ManagementErrorKind::Forbidden);
}

/// Calls a function for credentials.
#[derive(Clone)]
struct Hourly(Arc<dyn Fn() -> Credentials + Send + Sync>);

impl std::fmt::Debug for Hourly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hourly")
    }
}

impl ProvideCredentials for Hourly {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Ok((self.0)()))
    }
}

pub(crate) async fn credentials_are_renewed_when_they_expire<K: Kind>(harness: Over<K>) {
    let mut peer = harness.connect().await;
    let given = Arc::new(AtomicUsize::new(0));
    let (clock, take_only, number) =
        (harness.service.clock.clone(), harness.service.taker(), Arc::clone(&given));
    let client = harness.make(Hourly(Arc::new(move || {
        let name = format!("ASIA{}", number.fetch_add(1, SeqCst));
        let token = Some(format!("token of {name}"));
        let credentials = Credentials::new(name, SECRET, token, Some(clock.now() + HOUR), "hourly");
        take_only(credentials.clone());
        credentials
    })));
    for hour in 1..=3 {
        for _ in 0..3 {
            assert_eq!(client.post(peer.id(), "hello".into()).await.unwrap(), PostOutcome::Delivered);
            assert_eq!(peer.message().await, "hello");
        }
        assert_eq!(given.load(SeqCst), hour, "asked once an hour");
        harness.service.clock.advance(HOUR);
    }
}

/// Has none, or cannot say.
#[derive(Debug)]
struct Failing(fn() -> CredentialsError);

impl ProvideCredentials for Failing {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err((self.0)()))
    }
}

pub(crate) async fn without_credentials_nothing_is_sent<K: Kind>(harness: Over<K>) {
    let peer = harness.connect().await;
    let cases: [(fn() -> CredentialsError, _); 2] = [
        (CredentialsError::not_loaded_no_source, ManagementErrorKind::Forbidden),
        (|| CredentialsError::provider_error("no route"), ManagementErrorKind::Unavailable),
    ];
    for (error, kind) in cases {
        let error = harness.make(Failing(error)).post(peer.id(), "hello".into()).await.unwrap_err();
        assert_eq!(error.kind(), kind);
    }
    assert_eq!(harness.proxy.lines(), Vec::<String>::new());
}

/// The key of the day is derived anew, and once more for a day that has been.
pub(crate) async fn the_day_may_change<K: Kind>(harness: Over<K>) {
    let mut peer = harness.connect().await;
    for _ in 0..5 {
        assert_eq!(harness.client().post(peer.id(), "hello".into()).await.unwrap(), PostOutcome::Delivered);
        assert_eq!(peer.message().await, "hello");
        harness.service.clock.advance(7 * HOUR);
    }
}

/// C6: the service finds the connection, and refuses what is none of its ids; on the way nothing is left as it was.
pub(crate) async fn an_id_is_encoded<K: Kind>(harness: Over<K>) {
    let peer = harness.connect().await;
    assert!(peer.id().as_str().ends_with('='));
    harness.client().get(peer.id()).await.unwrap().expect("the connection is there");
    let foreign: ConnectionId = "a=-_=b==".parse().unwrap();
    assert_eq!(refusal(harness.client(), &foreign).await, ManagementErrorKind::InvalidConnection);
    let encoded = peer.id().as_str().replace('=', "%3D");
    assert_eq!(
        harness.proxy.lines(),
        [
            format!("GET /dev/@connections/{encoded} HTTP/1.1"),
            "POST /dev/@connections/a%3D-_%3Db%3D%3D HTTP/1.1".to_owned()
        ]
    );
}

pub(crate) async fn what_is_not_text_is_refused<K: Kind>(harness: Over<K>) {
    let peer = harness.connect().await;
    let error = harness.client().post(peer.id(), Bytes::from_static(&[0xff, 0xfe])).await.unwrap_err();
    assert_eq!(error.kind(), ManagementErrorKind::InvalidConnection);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("not UTF-8"), "{source}");
}

/// C1, C3.
pub(crate) async fn an_endpoint_may_end_with_a_slash_and_needs_its_stage<K: Kind>(harness: Over<K>) {
    let mut peer = harness.connect().await;
    for path in ["/dev", "/dev/"] {
        let client = harness.make_at(path);
        assert_eq!(client.post(peer.id(), path.into()).await.unwrap(), PostOutcome::Delivered);
        assert_eq!(peer.message().await, path);
    }
    for path in ["", "/", "/prod", "/dev/more"] {
        assert_eq!(
            refusal(&harness.make_at(path), peer.id()).await,
            ManagementErrorKind::Forbidden,
            "{path}"
        );
    }
}

/// It may have arrived, so it is not for the client to repeat it.
pub(crate) async fn an_answer_that_breaks_off_is_unavailable<K: Kind>(harness: Over<K>) {
    let mut peer = harness.connect().await;
    let broken = [
        "",
        "HTTP/1.1 200 OK\r\ncontent-",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhal",
        "nothing of HTTP at all\r\n\r\n",
    ];
    for (number, part) in broken.into_iter().enumerate() {
        // On a connection that was used before, and again on one that was not.
        for _ in 0..2 {
            harness.proxy.next(Act::SayAndClose(part));
            let error = harness.client().get(peer.id()).await.unwrap_err();
            assert_eq!(error.kind(), ManagementErrorKind::Unavailable, "{part:?}");
        }
        assert_eq!(harness.client().post(peer.id(), "well".into()).await.unwrap(), PostOutcome::Delivered);
        assert_eq!(peer.message().await, "well");
        assert_eq!(harness.proxy.lines().len(), 3 * (number + 1), "each call was sent once");
    }
}

/// Hostile or broken, it ends in one sentence; and a post was taken, whatever is said of it.
pub(crate) async fn an_answer_without_sense_is_an_error<K: Kind>(harness: Over<K>) {
    let peer = harness.connect().await;
    let times = r#""connectedAt":"2026-11-21T20:00:00Z","lastActiveAt":"2026-11-21T20:00:01Z""#;
    let say = |status: u16, body: &str| {
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status} So\r\ncontent-type: application/json\r\ncontent-length: {length}");
        harness.proxy.next(Act::Say(format!("{head}\r\n\r\n{body}")));
    };
    let nonsense = [
        "{}".to_owned(),
        "[]".to_owned(),
        "\"".to_owned(),
        r#"{"connectedAt":1,"lastActiveAt":null}"#.to_owned(),
        r#"{"connectedAt":"yesterday","lastActiveAt":"today"}"#.to_owned(),
        format!(r#"{{{times},"identity":"nobody"}}"#),
        format!(r#"{{{times},"identity":{{"sourceIp":7}}}}"#),
        format!(r#"{{"unknown":{}"#, "[".repeat(50_000)),
    ];
    for body in &nonsense {
        say(200, body);
        let error = harness.client().get(peer.id()).await.unwrap_err();
        assert_eq!(error.kind(), ManagementErrorKind::Internal, "{body:.100}");
        say(200, body);
        assert_eq!(harness.client().post(peer.id(), "hello".into()).await.unwrap(), PostOutcome::Delivered);
        say(500, body);
        let error = harness.client().post(peer.id(), "hello".into()).await.unwrap_err();
        assert_eq!(error.kind(), ManagementErrorKind::Unavailable, "{body:.100}");
    }
    // What it does not need to know may be missing, or of another form.
    for identity in ["", r#","identity":null"#, r#","identity":{"sourceIp":"somewhere"}"#, r#","more":[{}]"#]
    {
        say(200, &format!("{{{times}{identity}}}"));
        let info = harness.client().get(peer.id()).await.unwrap().expect("it is there");
        assert_eq!((info.source_ip, info.user_agent), (None, None), "{identity}");
    }
}

/// The time limit is the only end that such a call has.
pub(crate) async fn a_service_that_does_not_answer_is_waited_for_so_long<K: Kind>(harness: Over<K>) {
    let mut peer = harness.connect().await;
    let client = harness.make_impatient(Duration::from_millis(300));
    for _ in 0..2 {
        harness.proxy.next(Act::Hang);
        let error = client.post(peer.id(), "hello".into()).await.unwrap_err();
        assert_eq!(error.kind(), ManagementErrorKind::Unavailable);
    }
    // With others waiting for nothing, one is still served.
    let patient = harness.client();
    assert_eq!(patient.post(peer.id(), "well".into()).await.unwrap(), PostOutcome::Delivered);
    assert_eq!(peer.message().await, "well");
}

/// C3: the gateway's own 429, for a client that lets its messages lie.
pub(crate) async fn a_client_that_does_not_read_is_throttled<K: Kind>(harness: Over<K>) {
    let (slow, mut other) = (harness.connect().await, harness.connect().await);
    let data = Bytes::from(vec![b'x'; MESSAGE_BYTES_MAX]);
    let mut refused = None;
    for _ in 0..POSTS_UNREAD_MAX {
        match harness.client().post(slow.id(), data.clone()).await {
            Ok(outcome) => assert_eq!(outcome, PostOutcome::Delivered),
            Err(error) => {
                refused = Some(error.kind());
                break;
            }
        }
    }
    assert_eq!(refused, Some(ManagementErrorKind::Throttled));
    assert_eq!(harness.client().post(other.id(), "hello".into()).await.unwrap(), PostOutcome::Delivered);
    assert_eq!(other.message().await, "hello");
}
