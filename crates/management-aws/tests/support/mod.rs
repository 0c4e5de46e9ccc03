//! A management API on a port of its own that answers as told, once it has checked the signature.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use time::PrimitiveDateTime;
use time::macros::format_description;
use tokio::net::TcpListener;

pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// What the server says to a request whose signature is right.
#[derive(Clone, Debug, Default)]
pub(crate) struct Say {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: &'static str,
    /// Never answers.
    pub(crate) hangs: bool,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The server; it ends with the test's runtime.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    answers: BTreeMap<String, Say>,
    session_token: Option<String>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
}

impl Server {
    /// Answers each method as told, and demands this session token if there is one.
    pub(crate) async fn start(answers: &[(&str, Say)], session_token: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            answers: answers.iter().map(|(method, say)| ((*method).to_owned(), say.clone())).collect(),
            session_token: session_token.map(str::to_owned),
            ..State::default()
        });
        let server = Self { address, state: Arc::clone(&state) };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                state.connections.fetch_add(1, Ordering::Relaxed);
                let state = Arc::clone(&state);
                let service = service_fn(move |request| answer(Arc::clone(&state), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        server
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}/dev", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let path = parts.uri.path().to_owned();
    state.seen.lock().unwrap().push(Seen {
        line: format!("{} {path}", parts.method),
        headers: parts.headers.clone(),
        body: body.clone(),
    });
    let refused = verify(&state, parts.method.as_str(), &path, &parts.headers, &body).err();
    let say = match refused {
        Some(why) => Say {
            status: 418,
            headers: vec![("x-amzn-errortype", "SignatureOfTheTestDoesNotMatch")],
            body: why,
            ..Say::default()
        },
        None => state.answers[parts.method.as_str()].clone(),
    };
    if say.hangs {
        std::future::pending::<()>().await;
    }
    let mut response = Response::builder().status(say.status);
    for (name, value) in &say.headers {
        response = response.header(*name, *value);
    }
    Ok(response.body(Full::new(Bytes::from_static(say.body.as_bytes()))).unwrap())
}

/// Signs the request as it was received, with a general signer, and compares.
fn verify(
    state: &State,
    method: &str,
    path: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), &'static str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let authorization = text("authorization").ok_or("no authorization")?;
    let (_, signed_headers) = authorization.split_once("SignedHeaders=").ok_or("no signed headers")?;
    let (signed_headers, _) = signed_headers.split_once(',').ok_or("no signature")?;
    if text("x-amz-security-token") != state.session_token.as_deref() {
        return Err("another session token");
    }
    if state.session_token.is_some() && !signed_headers.contains("x-amz-security-token") {
        return Err("session token not signed");
    }
    let date = text("x-amz-date").ok_or("no date")?;
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let time: SystemTime =
        PrimitiveDateTime::parse(date, &format).map_err(|_| "odd date")?.assume_utc().into();
    if SystemTime::now().duration_since(time).unwrap_or_default() > Duration::from_secs(300) {
        return Err("old date");
    }
    // The signer adds these two by itself.
    let added = ["x-amz-date", "x-amz-security-token"];
    let names = signed_headers.split(';').filter(|name| !added.contains(name));
    let signed: Vec<(&str, &str)> =
        names.map(|name| Some((name, text(name)?))).collect::<Option<_>>().ok_or("signed header missing")?;
    let identity = Credentials::new(ACCESS_KEY_ID, SECRET, state.session_token.clone(), None, "test").into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("execute-api")
        .time(time)
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let url = format!("http://{}{path}", text("host").ok_or("no host")?);
    let request = SignableRequest::new(method, url, signed.into_iter(), SignableBody::Bytes(body))
        .map_err(|_| "odd request")?;
    let (instructions, _) = sign(request, &params).map_err(|_| "cannot be signed")?.into_parts();
    let expected = instructions.headers().find(|(name, _)| *name == "authorization").map(|(_, value)| value);
    if expected == Some(authorization) { Ok(()) } else { Err("another signature") }
}
