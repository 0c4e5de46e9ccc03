//! From an upgrade request to a connection, or to a refusal (section 1).

use std::{net::SocketAddr, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use dunlin_events::{EventType, ProxyResult, RouteKey, limits};
use http::StatusCode;
use serde_json::value::RawValue;
use tokio::{io::AsyncWriteExt, time::timeout};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::{
    Backend,
    api::{Api, Route, Stage},
    authorize::{Applicant, Principal},
    calling::{Site, call},
    closing::GOODBYE_TIME_MAX,
    connection::{Connection, NewConnection},
    domain::Way,
    event::{EventSource, Forwarded, Occasion},
    gateway::{Gateway, Listener},
    head::Head,
    refusal::{Refusal, http_date},
    report::{Gates, Report, Step},
    session::Session,
    socket::Socket,
    stream::Stream,
};

/// A handshake that waits for its decision.
pub(crate) struct Handshake<B> {
    pub(crate) gateway: Arc<Gateway<B>>,
    pub(crate) listener: Arc<Listener>,
    /// The API of the listener; the `Host` may select another.
    pub(crate) default_api: Arc<Api>,
    pub(crate) peer: SocketAddr,
    pub(crate) head: Head,
}

/// What `$connect` let in.
struct Accepted {
    api: Arc<Api>,
    connection: Connection,
    accept_key: String,
    protocol: Option<String>,
}

/// What the request itself says, before anybody is asked.
struct Offer {
    api: Arc<Api>,
    stage: Arc<Stage>,
    host: Box<str>,
    accept_key: String,
}

/// How a handshake comes along, for those who are told of it.
struct Course<'a> {
    request_id: &'a str,
    is_tls: bool,
    gates: Gates,
    integration: Option<Step>,
}

/// Whether a request asks for a WebSocket, rightly or wrongly; everything else is ordinary HTTP.
pub(crate) fn is_upgrade(head: &Head) -> bool {
    head.has_token("upgrade", "websocket")
}

impl<B: Backend> Handshake<B> {
    /// Decides, answers, and starts the connection's own task.
    pub(crate) async fn run(self, mut stream: Stream) {
        let is_tls = matches!(stream, Stream::Tls(_));
        let request_id = self.gateway.ids.request(self.gateway.now_ms());
        let accepted = match self.decide(is_tls, &request_id).await {
            Ok(accepted) => accepted,
            Err(refusal) => {
                self.gateway.counters.refusals.increment();
                tracing::debug!(
                    request_id,
                    status = refusal.status.as_u16(),
                    "handshake refused: {}",
                    refusal.message
                );
                refusal.send(&mut stream, &request_id, self.gateway.time.real_ms()).await;
                return;
            }
        };
        let Handshake { gateway, listener, head, .. } = self;
        let Accepted { api, connection, accept_key, protocol } = accepted;
        let connection = Arc::new(connection);
        // Before the client learns of it, so that a post in answer to its first message finds it.
        api.registry.insert(Arc::clone(&connection));
        gateway.counters.connects.increment();
        gateway.counters.connections_now.increment();
        if listener.shutdown.is_cancelled() {
            // The sweep at shutdown may have passed already.
            let _ = connection.outbox.close(crate::closing::CloseCause::Shutdown);
        }
        let answer = switching_protocols(&accept_key, protocol.as_deref(), gateway.time.real_ms());
        let written = timeout(GOODBYE_TIME_MAX, async {
            stream.write_all(answer.as_bytes()).await?;
            stream.flush().await
        });
        let is_written = matches!(written.await, Ok(Ok(())));
        gateway.faults.on_route(&connection, RouteKey::CONNECT);
        let socket = Socket::new(stream, head.into_rest(), &connection.outbox);
        let tracker = listener.tracker.clone();
        let session = Box::new(Session { gateway, listener, api, connection, socket });
        // A fresh, small task: this one's state held the request.
        if is_written {
            tracker.spawn(session.run());
        } else {
            tracker.spawn(session.abandon());
        }
    }

    async fn decide(&self, is_tls: bool, request_id: &str) -> Result<Accepted, Refusal> {
        let Offer { api, stage, host, accept_key } = self.offer()?;
        let gateway = &self.gateway;
        let connected_at = gateway.now_ms();
        let mut connection = Connection::new(NewConnection {
            id: gateway.ids.connection(connected_at),
            listener: self.listener.number,
            stage,
            domain_name: host,
            source_ip: self.peer.ip().to_canonical(),
            user_agent: self.head.values("user-agent").last().map(|value| value.into_owned().into()),
            connected_at,
            connected_tick: gateway.tick(),
        });
        let mut course = Course { request_id, is_tls, gates: Gates::default(), integration: None };
        let protocol = self.ask(&api, &mut connection, &mut course).await;
        let refusal = protocol.as_ref().err();
        let report = Report {
            event_type: EventType::Connect,
            api: &api,
            route: api.connect.as_deref(),
            connection: &connection,
            request_id,
            message_id: None,
            now_ms: connected_at,
            status: refusal.map_or(200, |refusal| refusal.status.as_u16()),
            error: refusal.map(|refusal| &*refusal.message),
            validation_error: None,
            integration: course.integration.as_ref(),
            gates: Some(&course.gates),
        };
        report.tell(&gateway.counters);
        let protocol = protocol?;
        connection.touch(gateway.tick());
        Ok(Accepted { api, connection, accept_key, protocol })
    }

    /// Asks everybody who has a say, and gives the subprotocol that was chosen.
    async fn ask(
        &self,
        api: &Api,
        connection: &mut Connection,
        course: &mut Course<'_>,
    ) -> Result<Option<String>, Refusal> {
        let gateway = &self.gateway;
        // H14: before anybody is asked.
        let tick = gateway.tick();
        let passes = connection.stage.buckets.take(RouteKey::CONNECT, tick)
            && gateway.account.connects.take(tick)
            && gateway.account.requests.take(tick);
        if !passes {
            return Err(Refusal::of_status(StatusCode::TOO_MANY_REQUESTS));
        }
        // H9: without anybody to ask, everybody is let in.
        let Some(route) = &api.connect else { return Ok(None) };
        let forwarded = Forwarded {
            source_ip: &connection.source_ip.to_string(),
            port: self.listener.port,
            is_tls: course.is_tls,
            trace: &gateway.ids.trace(connection.connected_at),
        };
        let source = EventSource { api, connection };
        let applicant = Applicant { head: &self.head, forwarded: &forwarded, source: &source, connection };
        let principal = applicant.authorize(gateway, &route.authorizer, &mut course.gates).await?;
        let api_key = applicant.admit(gateway, route, principal.as_ref())?;
        connection.api_key = api_key;
        connection.authorizer = principal.as_ref().and_then(Principal::for_events);
        let on_connect = principal.and_then(Principal::for_connect);
        self.ask_connect(route, api, connection, &forwarded, on_connect.as_deref(), course).await
    }

    /// Asks `$connect`; a route without an integration lets everybody in (H9).
    async fn ask_connect(
        &self,
        route: &Route,
        api: &Api,
        connection: &Connection,
        forwarded: &Forwarded<'_>,
        authorizer: Option<&RawValue>,
        course: &mut Course<'_>,
    ) -> Result<Option<String>, Refusal> {
        let Some(integration) = &route.integration else { return Ok(None) };
        let gateway = &self.gateway;
        let (now_ms, request_id) = (gateway.now_ms(), course.request_id);
        let occasion = Occasion { route_key: RouteKey::CONNECT, request_id, now_ms };
        let source = EventSource { api, connection };
        let prepared = source.prepare_connect(integration, &occasion, &self.head, forwarded, authorizer);
        let site = Site { route_key: RouteKey::CONNECT, connection };
        let (answer, step) = call(gateway, integration, prepared, &site).await;
        course.integration = Some(step);
        let result = answer.map_err(|failure| {
            let connection_id = connection.id();
            let route_key = RouteKey::CONNECT;
            tracing::warn!(request_id, connection_id, route_key, "connect failed: {failure}");
            Refusal::of_status(status(failure.handshake_status()))
        })?;
        chosen_protocol(&result)
    }

    fn offer(&self) -> Result<Offer, Refusal> {
        let head = &self.head;
        let bad = |message| Refusal::new(StatusCode::BAD_REQUEST, message);
        let host = head.single("host").ok_or_else(|| bad("exactly one Host header is expected"))?;
        let door = self.gateway.hosts.select(&host, &self.default_api).ok_or_else(Refusal::forbidden)?;
        if "wss://".len() + host.len() + head.target().len() > limits::URL_CHARS_MAX {
            return Err(Refusal::of_status(StatusCode::URI_TOO_LONG));
        }
        let path = head.target().split('?').next().unwrap_or_default();
        let way = door.lead(path).filter(|way| matches!(way.rest, "" | "/"));
        let Way { api, stage, .. } = way.ok_or_else(Refusal::forbidden)?;
        if head.method() != "GET" || !head.is_http_11() {
            return Err(bad("a WebSocket handshake is a GET in HTTP/1.1"));
        }
        if !head.has_token("connection", "upgrade") {
            return Err(bad("the header Connection: Upgrade is missing"));
        }
        let version = head.single("sec-websocket-version");
        let version =
            version.ok_or_else(|| bad("exactly one header Sec-WebSocket-Version is expected, with 13"))?;
        // RFC 6455, section 4.4. What the service does is not known.
        if version != "13" {
            let problem = "version 13 of the WebSocket protocol is expected";
            return Err(Refusal::new(StatusCode::UPGRADE_REQUIRED, problem));
        }
        let has_body = head.values("content-length").any(|length| length != "0");
        if has_body || head.values("transfer-encoding").next().is_some() {
            return Err(bad("a WebSocket handshake has no body"));
        }
        let key = head.single("sec-websocket-key");
        let key = key.filter(|key| STANDARD.decode(key.as_bytes()).is_ok_and(|bytes| bytes.len() == 16));
        let key =
            key.ok_or_else(|| bad("the header Sec-WebSocket-Key with 16 bytes in base64 is expected"))?;
        Ok(Offer {
            api: Arc::clone(api),
            stage: Arc::clone(stage),
            host: host.as_ref().into(),
            accept_key: derive_accept_key(key.as_bytes()),
        })
    }
}

/// What `$connect` decided: the subprotocol for the client, or its status (H10, H16). Nothing else of its answer is
/// passed on (H18).
fn chosen_protocol(result: &ProxyResult) -> Result<Option<String>, Refusal> {
    match result.status_code {
        200..=299 => {}
        refused @ 300..=599 => return Err(Refusal::of_status(status(refused))),
        _ => return Err(Refusal::of_status(StatusCode::BAD_GATEWAY)),
    }
    let protocol = result.header("Sec-WebSocket-Protocol");
    // Whatever could end the header line is no protocol name.
    if protocol.is_some_and(|name| !name.bytes().all(|byte| matches!(byte, b' '..=b'~'))) {
        return Err(Refusal::of_status(StatusCode::BAD_GATEWAY));
    }
    Ok(protocol.map(str::to_owned))
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY)
}

/// The headers of a logged handshake (H23). Compression is declined by silence, which every client accepts (U3).
fn switching_protocols(accept_key: &str, protocol: Option<&str>, now_ms: u64) -> String {
    let date = http_date(now_ms);
    let protocol = protocol.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n")).unwrap_or_default();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nDate: {date}\r\nConnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {accept_key}\r\n{protocol}\r\n"
    )
}
