//! Ordinary HTTP on the gateway's ports: the management API, and refusals for everything else.

use std::{convert::Infallible, future::poll_fn, pin::pin, sync::Arc, task::Poll};

use bytes::Bytes;
use dunlin_events::limits;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};

use crate::{
    Backend,
    api::Api,
    control,
    gateway::{Gateway, Listener},
    host::Door,
    management,
    refusal::{http_date, message_body},
    stream::Rewound,
};

/// The answers of this service, all small.
pub(crate) type Answer = Response<Full<Bytes>>;

/// Paths that are the service's own (H6).
const HEALTH_PATHS: [&str; 2] = ["/ping", "/sping"];

/// How much hyper may buffer of one connection: a head, and a piece of a body.
const BUFFER_BYTES_MAX: usize = 16 * 1024;

/// Serves requests on this stream until the client leaves, is silent for too long, or the listener ends.
pub(crate) async fn serve_http<B: Backend>(
    gateway: Arc<Gateway<B>>,
    listener: Arc<Listener>,
    api: Arc<Api>,
    stream: Rewound,
) {
    let limits = &gateway.config.limits;
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.keep_alive_timeout)
        .max_header_size(limits::REQUEST_HEAD_BYTES_MAX)
        .max_buf_size(BUFFER_BYTES_MAX);
    let service = service_fn(|request| {
        let (gateway, api) = (&gateway, &api);
        async move { Ok::<Answer, Infallible>(answer(gateway, api, request).await) }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut shutdown = pin!(listener.shutdown.cancelled());
    let mut is_ending = false;
    let served = poll_fn(|cx| {
        if !is_ending && shutdown.as_mut().poll(cx).is_ready() {
            is_ending = true;
            connection.as_mut().graceful_shutdown();
        }
        match connection.as_mut().poll(cx) {
            Poll::Ready(served) => Poll::Ready(served),
            Poll::Pending => Poll::Pending,
        }
    });
    if let Err(error) = served.await {
        tracing::debug!("HTTP connection ended: {error}");
    }
}

async fn answer<B: Backend>(gateway: &Arc<Gateway<B>>, api: &Arc<Api>, request: Request<Incoming>) -> Answer {
    let now_ms = gateway.now_ms();
    let is_chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
    // Of two it would be unclear which one counts.
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next().filter(|_| hosts.next().is_none()).and_then(|host| host.to_str().ok());
    let mut answer = match host.and_then(|host| gateway.hosts.select(host, api)) {
        None => message(StatusCode::FORBIDDEN, "Forbidden"),
        Some(_) if request.uri().path().starts_with(control::PREFIX) => {
            Box::pin(control::answer(gateway, request)).await
        }
        Some(door) => {
            let way = door.lead(request.uri().path());
            match way.as_ref().and_then(management::Target::parse) {
                Some(target) => {
                    gateway.counters.management_calls.increment();
                    Box::pin(management::answer(gateway, target, request)).await
                }
                None => elsewhere(door, &request),
            }
        }
    };
    let request_id = gateway.ids.request(now_ms);
    if let Ok(request_id) = HeaderValue::try_from(request_id) {
        answer.headers_mut().insert("x-amzn-requestid", request_id);
    }
    // SDKs set their own clock by it, so it has to be the one that signatures are verified with.
    if let Ok(date) = HeaderValue::try_from(http_date(gateway.time.real_ms())) {
        answer.headers_mut().insert(header::DATE, date);
    }
    // RFC 9112, section 6.1: a request may have told somebody in between another length of its body. No SDK sends chunks.
    if is_chunked {
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

/// For a path that is nobody's.
fn elsewhere(door: Door<'_>, request: &Request<Incoming>) -> Answer {
    let (method, path) = (request.method(), request.uri().path());
    match door {
        // H6: what health checks look at.
        _ if method == Method::GET && HEALTH_PATHS.contains(&path) => Response::new(Full::from("healthy")),
        // C3: wrong path or stage; U15: a plain GET on the socket's own address.
        Door::Api(_) => message(StatusCode::FORBIDDEN, "Forbidden"),
        // H5: mostly the stage, which is no base path.
        Door::Domain(_) => {
            let route = path.trim_start_matches('/');
            let text = format!("No method found matching route {route} for http method {method}.");
            let mut answer = message(StatusCode::NOT_FOUND, &text);
            answer.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static("NotFoundException"));
            answer
        }
    }
}

/// `{"message":"…"}` under this status.
pub(crate) fn message(status: StatusCode, text: &str) -> Answer {
    json(status, message_body(text))
}

/// A JSON body under this status.
pub(crate) fn json(status: StatusCode, body: String) -> Answer {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
