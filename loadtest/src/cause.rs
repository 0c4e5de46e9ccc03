//! What brings an update about: a publish over MQTT, an HTTP request, or a client that says it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mqtt5::transport::tls::TlsConfig;
use mqtt5::{ConnectOptions, MqttClient};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Method};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::LoadError;
use crate::scenario::{App, Cause, MqttTls, Placeholder, Template};
use crate::socket::CONNECT_TIMEOUT;
use crate::stamp::Stamp;
use crate::target;

/// Wait for the broker's answer to a connect.
const BROKER_TIMEOUT: Duration = Duration::from_secs(10);

/// Wait for the broker to take a publish. Nothing else of the schedule leaves meanwhile.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(2);

/// Failed publishes in a row after which the broker is given up.
const PUBLISH_FAILURES_MAX: u32 = 3;

/// HTTP requests under way. At this bound an update is not sent, and is an error.
const REQUESTS_IN_FLIGHT_MAX: usize = 1_024;

/// Where the port of MQTT is not given.
const MQTT_PORT: u16 = 1883;
const MQTTS_PORT: u16 = 8883;

/// An update of one topic, to be sent.
pub(crate) struct Update<'a> {
    pub(crate) topic: &'a str,
    pub(crate) version: u32,
    pub(crate) run: u32,
    pub(crate) stamp: Stamp,
}

/// A cause whose address was found.
#[derive(Clone, Debug)]
pub(crate) enum Publisher {
    Mqtt {
        broker: Broker,
        topic: Template,
        payload: Template,
    },
    Http {
        client: reqwest::Client,
        method: Method,
        url: Template,
        body: Option<Template>,
        in_flight: Arc<Semaphore>,
    },
    /// The client has what it needs from the scenario.
    Socket,
}

/// An MQTT broker, and how to reach it.
#[derive(Clone, Debug)]
pub(crate) struct Broker {
    shown: String,
    address: SocketAddr,
    host: String,
    tls: Option<MqttTls>,
}

/// A publisher that is connected, on a runtime of its own thread.
pub(crate) struct Connected {
    client: MqttClient,
    failures: u32,
}

impl Publisher {
    /// Finds the address of an app's cause, and whether somebody answers there.
    ///
    /// # Errors
    ///
    /// `Usage` without an address, `Unavailable` if nothing answers there.
    pub(crate) async fn resolve(app: &App, mqtt: Option<&str>) -> Result<Option<Publisher>, LoadError> {
        let Some(cause) = &app.cause else { return Ok(None) };
        Ok(Some(match cause {
            Cause::Mqtt { broker, topic, payload, tls } => {
                let given = broker.as_deref().or(mqtt).ok_or_else(|| {
                    LoadError::Usage(
                        "the scenario publishes over MQTT and names no broker: give --set target.cause.mqtt.broker=host:port"
                            .to_owned(),
                    )
                })?;
                let broker = Broker::resolve(given, tls.clone()).await?;
                let client = broker.connect("probe").await.map_err(|reason| {
                    LoadError::Unavailable(format!("no MQTT broker answers at {given}: {reason}"))
                })?;
                // It is only a courtesy: the broker notices the closed socket as well.
                let _ = timeout(BROKER_TIMEOUT, client.disconnect()).await;
                Publisher::Mqtt { broker, topic: topic.clone(), payload: payload.clone() }
            }
            Cause::Http { method, url, headers, body } => Publisher::Http {
                client: http_client(headers, app.ca_file.as_deref())?,
                method: Method::from_bytes(method.as_bytes())
                    .map_err(|_| LoadError::Usage(format!("`{method}` is no HTTP method")))?,
                url: url.clone(),
                body: body.clone(),
                in_flight: Arc::new(Semaphore::new(REQUESTS_IN_FLIGHT_MAX)),
            },
            Cause::Socket { .. } => Publisher::Socket,
        }))
    }

    /// In words, for the report.
    pub(crate) fn describe(&self) -> String {
        match self {
            Publisher::Mqtt { broker, .. } => format!("MQTT at {}", broker.shown),
            Publisher::Http { method, url, .. } => {
                let url = url.render(|_, out| out.push('…'));
                format!("HTTP {method} {}", url.split('?').next().unwrap_or_default())
            }
            Publisher::Socket => "a client that follows the topic".to_owned(),
        }
    }

    /// Connects, where there is something to connect. Blocks.
    ///
    /// # Errors
    ///
    /// A sentence.
    pub(crate) fn connect(&self, runtime: &Runtime, name: &str) -> Result<Option<Connected>, String> {
        let Publisher::Mqtt { broker, .. } = self else { return Ok(None) };
        Ok(Some(Connected { client: runtime.block_on(broker.connect(name))?, failures: 0 }))
    }
}

impl Update<'_> {
    /// A template with the update's values.
    pub(crate) fn render(&self, template: &Template) -> String {
        template.render(|placeholder, out| match placeholder {
            Placeholder::Topic | Placeholder::Topics => out.push_str(self.topic),
            Placeholder::Stamp => self.stamp.write(out),
            Placeholder::Version => out.push_str(&self.version.to_string()),
            Placeholder::Run => out.push_str(&format!("{:08x}", self.run)),
            Placeholder::User => {}
        })
    }
}

impl Connected {
    /// Publishes at QoS 0, on the calling thread: no acknowledgement decides when the next update goes out.
    ///
    /// # Errors
    ///
    /// A sentence; once the broker was given up, at once.
    pub(crate) fn publish(
        &mut self,
        runtime: &Runtime,
        topic: String,
        payload: String,
    ) -> Result<(), String> {
        if self.failures >= PUBLISH_FAILURES_MAX {
            return Err("the broker is gone".to_owned());
        }
        let sent = runtime
            .block_on(async { timeout(PUBLISH_TIMEOUT, self.client.publish_qos0(topic, payload)).await });
        let result = match sent {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("the broker took nothing for {} s", PUBLISH_TIMEOUT.as_secs())),
        };
        self.failures = if result.is_ok() { 0 } else { self.failures + 1 };
        result
    }

    /// Says goodbye.
    pub(crate) fn disconnect(&self, runtime: &Runtime) {
        // Every update was written; a broker that does not take the goodbye loses none.
        let _ = runtime.block_on(async { timeout(PUBLISH_TIMEOUT, self.client.disconnect()).await });
    }
}

impl Broker {
    async fn resolve(given: &str, tls: Option<MqttTls>) -> Result<Broker, LoadError> {
        let secure = given.starts_with("mqtts://");
        let rest = given.trim_start_matches("mqtts://").trim_start_matches("mqtt://");
        let wrong =
            || LoadError::Usage(format!("`{given}` is no MQTT broker: give host:port or mqtts://host:port"));
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().map_err(|_| wrong())?),
            _ => (rest, if secure { MQTTS_PORT } else { MQTT_PORT }),
        };
        if host.is_empty() || host.contains('/') {
            return Err(wrong());
        }
        let address = target::resolve(host, port).await.map_err(|reason| {
            LoadError::Unavailable(format!("cannot find the MQTT broker `{host}`: {reason}"))
        })?;
        let tls = secure.then(|| tls.unwrap_or(MqttTls { ca_file: None, identity: None }));
        Ok(Broker { shown: given.to_owned(), address, host: host.to_owned(), tls })
    }

    async fn connect(&self, name: &str) -> Result<MqttClient, String> {
        // Keep-alive off: between updates nobody serves the client's timers, and the run is bounded.
        let options = ConnectOptions::new(format!("load-{name}-{:08x}", fastrand::u32(..)))
            .with_clean_start(true)
            .with_keep_alive(Duration::ZERO)
            .with_automatic_reconnect(false);
        let client = MqttClient::with_options(options.clone());
        let connecting = async {
            match &self.tls {
                None => client.connect(&format!("mqtt://{}", self.address)).await,
                Some(tls) => {
                    let config = tls_config(self.address, &self.host, tls)
                        .map_err(|error| mqtt5::MqttError::ConnectionError(error.to_string()))?;
                    client.connect_with_tls_and_options(config, options).await.map(drop)
                }
            }
        };
        match timeout(BROKER_TIMEOUT, connecting).await {
            Ok(Ok(())) => Ok(client),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", BROKER_TIMEOUT.as_secs())),
        }
    }
}

fn tls_config(address: SocketAddr, host: &str, tls: &MqttTls) -> Result<TlsConfig, LoadError> {
    let mut config = TlsConfig::new(address, host);
    if let Some(path) = &tls.ca_file {
        config = config.with_root_certs(target::certificates(path)?).with_system_roots(false);
    }
    if let Some((certificate, key)) = &tls.identity {
        let chain: Vec<CertificateDer<'static>> = target::certificates(certificate)?;
        let key = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| LoadError::Usage(format!("cannot read the key {}: {error}", key.display())))?;
        config = config.with_client_auth(chain, key);
    }
    Ok(config)
}

fn http_client(
    headers: &[(String, String)],
    ca_file: Option<&std::path::Path>,
) -> Result<reqwest::Client, LoadError> {
    let headers: HeaderMap = headers
        .iter()
        .filter_map(|(name, value)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
        })
        .collect();
    let mut builder = reqwest::Client::builder()
        .default_headers(headers)
        .tcp_nodelay(true)
        .timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none());
    if let Some(path) = ca_file {
        for certificate in target::certificates(path)? {
            let certificate = Certificate::from_der(&certificate).map_err(|error| {
                LoadError::Usage(format!("{} holds no authority: {error}", path.display()))
            })?;
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build().map_err(|error| LoadError::Internal(format!("cannot make an HTTP client: {error}")))
}

/// Sends one request and reads its answer.
///
/// # Errors
///
/// The kind it is counted by, and a sentence.
pub(crate) async fn request(
    client: &reqwest::Client,
    method: Method,
    url: String,
    body: Option<String>,
) -> Result<(), (String, String)> {
    let mut request = client.request(method, url);
    if let Some(body) = body {
        request = request.body(body);
    }
    let failed = |error: reqwest::Error| {
        let kind = if error.is_timeout() {
            "timeout"
        } else if error.is_connect() {
            "connection failed"
        } else {
            "HTTP"
        };
        (kind.to_owned(), error.without_url().to_string())
    };
    let answer = request.send().await.map_err(failed)?;
    let status = answer.status();
    // Read, so that the connection can be used again.
    answer.bytes().await.map_err(failed)?;
    if status.is_success() {
        Ok(())
    } else {
        Err((format!("status {}", status.as_u16()), format!("answered {status}")))
    }
}
