//! Calls HTTP endpoints.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use dunlin_events::limits;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    version::{TLS12, TLS13},
};

use super::{MappingInput, expand, mapping::Answered, source::Source, stage_variables::has_stage_variable};
use crate::{clock::Time, invoke::Failure};

/// Bytes of an endpoint's answer: ours, what a function's answer may have. A frame carries less.
const ANSWER_BYTES_MAX: usize = limits::INVOKE_PAYLOAD_BYTES_MAX;

/// Connections kept for each endpoint: ours.
const IDLE_CONNECTIONS_MAX: usize = 32;

/// Where in a request a parameter can go (G6).
const PLACES: [&str; 3] =
    ["integration.request.header.", "integration.request.querystring.", "integration.request.path."];

/// Headers of a handshake that the endpoint does not get, unlike the others (H12): its request has its own.
const OWN: [&str; 3] = ["host", "content-length", "transfer-encoding"];

/// An HTTP endpoint behind a route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpEndpoint {
    /// `IntegrationMethod`, in capitals.
    pub method: String,
    /// `IntegrationUri`, which starts with `http://` or `https://`; `{name}` stands for a path parameter, and
    /// `${stageVariables.name}` for a variable of the stage.
    pub uri: String,
    /// Between 50 ms and 29 s (G1).
    pub timeout: Duration,
    /// `RequestParameters` (G6): where to, such as `integration.request.header.connectionId`, and what.
    pub parameters: Vec<(String, String)>,
}

/// [`HttpEndpoint`], checked.
#[derive(Debug)]
pub(super) struct Endpoint {
    method: Method,
    uri: String,
    timeout: Duration,
    parameters: Vec<(String, Source)>,
}

impl HttpEndpoint {
    pub(super) fn checked(self) -> Result<Endpoint, String> {
        let method = Method::from_bytes(self.method.as_bytes())
            .map_err(|_| format!("has an integration method \"{}\", which is none of HTTP", self.method))?;
        let is_place = |target: &str| PLACES.iter().any(|place| target.starts_with(place));
        if let Some((target, _)) = self.parameters.iter().find(|(target, _)| !is_place(target)) {
            return Err(format!(
                "has a request parameter \"{target}\"; it must be integration.request.header.…, .querystring.… or .path.…"
            ));
        }
        let parameter = |(target, source): (String, String)| match Source::parse(&source) {
            Some(source) => Ok((target, source)),
            None => Err(format!(
                "has a request parameter \"{target}\" from \"{source}\"; it must be route.request.body.…, .header.…, \
                 .querystring.…, stageVariables.…, context.… or 'a text'"
            )),
        };
        let parameters = self.parameters.into_iter().map(parameter).collect::<Result<_, String>>()?;
        // What stage variables make of it is each stage's.
        if has_stage_variable(&self.uri) || is_web(&self.uri.replace(['{', '}'], "")) {
            return Ok(Endpoint { method, uri: self.uri, timeout: self.timeout, parameters });
        }
        Err(format!(
            "has an integration URI \"{}\"; this gateway calls http:// and https:// endpoints",
            self.uri
        ))
    }
}

/// Whether it is an absolute address of HTTP.
fn is_web(uri: &str) -> bool {
    let uri: Option<Uri> = uri.parse().ok();
    uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some())
}

/// One client for all endpoints.
pub(crate) struct HttpClient(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl HttpClient {
    /// A client that trusts these authorities.
    pub(crate) fn new(authorities: Arc<RootCertStore>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.enforce_http(false);
        // ring by name: with two providers in one build there is no default. It has what TLS 1.2 and 1.3 need.
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .expect("ring has suites for both versions")
            .with_root_certificates(authorities)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let mut builder = Client::builder(TokioExecutor::new());
        HttpClient(builder.pool_max_idle_per_host(IDLE_CONNECTIONS_MAX).build(connector))
    }

    pub(super) async fn call(
        &self,
        time: &Time,
        endpoint: &Endpoint,
        input: &MappingInput,
        body: Bytes,
    ) -> Result<Answered, Failure> {
        let request = endpoint.request(input, body)?;
        time.timeout(endpoint.timeout, self.exchange(request)).await.ok_or(Failure::TimedOut)?
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answered, Failure> {
        let response = self.0.request(request).await.map_err(|error| Failure::Endpoint(chain(&error)))?;
        let (parts, mut body) = response.into_parts();
        let mut collected = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Failure::Endpoint(error.to_string()))?;
            let Ok(data) = frame.into_data() else { continue };
            if collected.len() + data.len() > ANSWER_BYTES_MAX {
                return Err(Failure::Endpoint(format!("its answer has more than {ANSWER_BYTES_MAX} bytes")));
            }
            collected.extend_from_slice(&data);
        }
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let status = parts.status.as_u16();
        Ok(Answered { status, selected_by: status.to_string(), headers, body: collected.freeze() })
    }
}

/// An error with what it comes from: of a connection that fails, the first says only that.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl Endpoint {
    /// Whether it may be called with TLS.
    pub(super) fn may_need_tls(&self) -> bool {
        self.uri.starts_with("https:") || has_stage_variable(&self.uri)
    }

    fn request(&self, input: &MappingInput, body: Bytes) -> Result<Request<Full<Bytes>>, Failure> {
        let uri = expand(&self.uri, &input.stage.variables)
            .map_err(|name| Failure::Mapping(format!("stage {} has no variable {name}", input.stage.name)))?;
        if has_stage_variable(&self.uri) && !is_web(&uri.replace(['{', '}'], "")) {
            let stage = &input.stage.name;
            return Err(Failure::Mapping(format!("at stage {stage} {} is no address of HTTP", self.uri)));
        }
        let mut uri = uri.into_owned();
        let mut headers = Vec::new();
        for (target, source) in &self.parameters {
            let Some(value) = source.value(input) else { continue };
            let encoded =
                || percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC);
            if let Some(name) = target.strip_prefix("integration.request.header.") {
                headers.push((name, value));
            } else if let Some(name) = target.strip_prefix("integration.request.querystring.") {
                let separator = if uri.contains('?') { '&' } else { '?' };
                uri.push_str(&format!("{separator}{name}={}", encoded()));
            } else if let Some(name) = target.strip_prefix("integration.request.path.") {
                uri = uri.replace(&format!("{{{name}}}"), &encoded().to_string());
            }
        }
        let bad = |problem: String| Failure::Mapping(problem);
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(&uri)
            .header("content-type", "application/json")
            .body(Full::new(body))
            // Not the address itself, which holds parts of the message.
            .map_err(|error| bad(format!("the address of {} cannot be made: {error}", self.uri)))?;
        let clients = input.headers.iter().map(|(name, value)| (name.as_str(), value.clone()));
        let clients = clients.filter(|(name, _)| !OWN.iter().any(|own| name.eq_ignore_ascii_case(own)));
        for (name, value) in clients.chain(headers) {
            let header = HeaderName::from_bytes(name.as_bytes());
            let value = HeaderValue::from_str(&value);
            let (Ok(header), Ok(value)) = (header, value) else {
                return Err(bad(format!("{name} cannot be a header with this value")));
            };
            request.headers_mut().insert(header, value);
        }
        Ok(request)
    }
}
