use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::{Address, Keys, connect, sign_headers};
use crate::{Site, Unmet, fails};

/// Bytes of an answer that are read: ours.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// One call over HTTP, its path to the letter.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    method: &'a str,
    address: &'a Address,
    target: String,
    headers: Vec<(&'a str, String)>,
    body: Bytes,
    keys: Option<&'a Keys>,
    host: Option<&'a str>,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpAnswer {
    /// Such as 200.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// As text; what is none is replaced.
    pub body: String,
}

impl<'a> Call<'a> {
    /// A call of `method` to `address`, its path followed by `more`.
    pub fn new(method: &'a str, address: &'a Address, more: &str) -> Self {
        let target = format!("{}{more}", address.path);
        Call { method, address, target, headers: Vec::new(), body: Bytes::new(), keys: None, host: None }
    }

    /// With another path.
    #[must_use]
    pub fn at(self, path: &str) -> Self {
        Call { target: path.to_owned(), ..self }
    }

    /// With another host than the address's own.
    #[must_use]
    pub fn host(self, host: &'a str) -> Self {
        Call { host: Some(host), ..self }
    }

    /// With a body.
    #[must_use]
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        Call { body: body.into(), ..self }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'a str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Signed with these.
    #[must_use]
    pub fn signed(self, keys: &'a Keys) -> Self {
        Call { keys: Some(keys), ..self }
    }

    /// Sends it, over a connection of its own.
    ///
    /// # Errors
    /// Nobody answers, or not in HTTP.
    pub async fn send(self, site: &Site) -> Result<HttpAnswer, Unmet> {
        let patience = site.patience.max(Duration::from_secs(1));
        match timeout(patience, self.exchange(site)).await {
            Ok(answer) => answer,
            Err(_) => fails("an answer to the call", format!("nothing within {patience:?}")),
        }
    }

    async fn exchange(self, site: &Site) -> Result<HttpAnswer, Unmet> {
        let Call { method, address, target, headers, body, keys, host } = self;
        let host = host.map_or_else(|| address.authority(), str::to_owned);
        let scheme = if address.is_tls { "https" } else { "http" };
        let mut request = Request::builder().method(method).uri(&target).header("Host", &host);
        request = request.header("Connection", "close");
        if let Some(keys) = keys {
            let url = format!("{scheme}://{host}{target}");
            for (name, value) in sign_headers(keys, method, &url, &host, &body)? {
                request = request.header(name, value);
            }
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = match request.body(Full::new(body)) {
            Ok(request) => request,
            Err(error) => return fails("a request that can be sent", error),
        };
        let stream = connect(address, &site.roots, site.patience).await?;
        let (mut sender, connection) = match http1::handshake(TokioIo::new(stream)).await {
            Ok(made) => made,
            Err(error) => return fails("an HTTP connection", error),
        };
        // It ends with the answer, and with the timeout of the call at the latest.
        let exchanged = async {
            let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
            let (parts, body) = answer.into_parts();
            let body =
                Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| error.to_string())?;
            Ok((parts, body.to_bytes()))
        };
        let mut connection = std::pin::pin!(connection);
        let mut exchanged = std::pin::pin!(exchanged);
        let answer: Result<_, String> = tokio::select! {
            answer = &mut exchanged => answer,
            ended = &mut connection => match ended {
                Ok(()) => exchanged.await,
                Err(error) => Err(error.to_string()),
            },
        };
        match answer {
            Ok((parts, body)) => {
                let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
                let headers =
                    parts.headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes())));
                Ok(HttpAnswer {
                    status: parts.status.as_u16(),
                    headers: headers.collect(),
                    body: text(&body),
                })
            }
            Err(problem) => fails("an answer to the call", problem),
        }
    }
}

impl HttpAnswer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The type of an error, of which SDKs read what stands before a colon.
    pub fn error_type(&self) -> Option<&str> {
        self.header("x-amzn-errortype").map(|value| value.split(':').next().unwrap_or(value))
    }
}
