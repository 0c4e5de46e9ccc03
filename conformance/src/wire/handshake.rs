use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};

use super::{Address, Client, Head, Stream, connect, pass_over};
use crate::{Site, Unmet, fails};

/// Bytes of an answer's head, and of a refusal's body: ours.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A request for a WebSocket, to the letter.
#[derive(Clone, Debug)]
pub struct Handshake {
    address: Address,
    target: String,
    /// Lines of the head, in order.
    headers: Vec<(String, String)>,
}

/// What came of it.
pub enum Answered {
    /// 101 and a connection.
    Open(Head, Client),
    /// Any other answer.
    Refused(Head, String),
}

impl Handshake {
    /// A plain one to this address.
    pub fn to(address: &Address) -> Self {
        let line = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = vec![
            line("Host", &address.authority()),
            line("Connection", "Upgrade"),
            line("Upgrade", "websocket"),
            line("Sec-WebSocket-Version", "13"),
            line("Sec-WebSocket-Key", &generate_key()),
        ];
        Handshake { address: address.clone(), target: address.path.clone(), headers }
    }

    /// Adds to the path, such as a slash.
    #[must_use]
    pub fn path(mut self, more: &str) -> Self {
        self.target.push_str(more);
        self
    }

    /// Another path in place of the stage's.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        path.clone_into(&mut self.target);
        self
    }

    /// Adds to the query; `value` is encoded.
    #[must_use]
    pub fn query(self, name: &str, value: &str) -> Self {
        let value = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
        self.raw_query(&format!("{name}={value}"))
    }

    /// Adds to the query as it stands.
    #[must_use]
    pub fn raw_query(mut self, query: &str) -> Self {
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        self.target.push_str(query);
        self
    }

    /// Adds a header, or replaces the one of this name.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a header, whether there is one of this name or not.
    #[must_use]
    pub fn another_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Leaves a header out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self
    }

    /// The URL as signatures cover it.
    pub fn url(&self) -> String {
        let scheme = if self.address.is_tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.address.authority(), self.target)
    }

    /// Characters of the URL as the client would write it, query included (H3).
    pub fn url_chars(&self) -> usize {
        "wss://".len() + self.address.authority().len() + self.target.len()
    }

    /// Sends it, and reads the answer.
    ///
    /// # Errors
    /// Nobody answers, or not in HTTP, or the accept key is not this request's.
    pub async fn send(self, site: &Site) -> Result<Answered, Unmet> {
        let stream = connect(&self.address, &site.roots, site.patience).await?;
        self.send_over(stream, site).await
    }

    /// The same over a connection that is there already.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_over(self, mut stream: Stream, site: &Site) -> Result<Answered, Unmet> {
        let lines: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let target = if self.target.is_empty() { "/" } else { &self.target };
        let request = format!("GET {target} HTTP/1.1\r\n{lines}\r\n");
        let exchange = async {
            stream.write_all(request.as_bytes()).await?;
            stream.flush().await?;
            read_head(&mut stream).await
        };
        let (head, rest) = match timeout(site.patience, exchange).await {
            Ok(Ok(read)) => read?,
            Ok(Err(error)) => return fails("an answer to the handshake", error),
            Err(_) => {
                return fails("an answer to the handshake", format!("nothing within {:?}", site.patience));
            }
        };
        if head.status != 101 {
            let body = refusal_body(&mut stream, &head, rest, site).await;
            return Ok(Answered::Refused(head, body));
        }
        let key = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"));
        let expected = key.map(|(_, key)| derive_accept_key(key.as_bytes()));
        if head.header("sec-websocket-accept") != expected.as_deref() {
            return fails(
                "the accept key of this handshake",
                format!("{:?}", head.header("sec-websocket-accept")),
            );
        }
        Ok(Answered::Open(head, Client::new(stream, rest, site.patience)))
    }
}

impl Answered {
    /// The connection.
    ///
    /// # Errors
    /// The handshake was refused.
    pub fn opened(self) -> Result<Client, Unmet> {
        self.opened_with_head().map(|(_, client)| client)
    }

    /// The connection, and the head that made it.
    ///
    /// # Errors
    /// The handshake was refused.
    pub fn opened_with_head(self) -> Result<(Head, Client), Unmet> {
        match self {
            Answered::Open(head, client) => Ok((head, client)),
            Answered::Refused(head, body) => fails("101", format!("{} {body}", head.status)),
        }
    }

    /// The status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Answered::Open(head, _) | Answered::Refused(head, _) => head.status,
        }
    }
}

async fn read_head(stream: &mut Stream) -> std::io::Result<Result<(Head, BytesMut), Unmet>> {
    let mut buffer = BytesMut::with_capacity(1024);
    loop {
        let read = stream.read_buf(&mut buffer).await?;
        match Head::parse(&buffer) {
            Ok(Some((head, length))) => return Ok(Ok((head, buffer.split_off(length)))),
            Ok(None) if read == 0 || buffer.len() > ANSWER_BYTES_MAX => {
                let got = format!("{} bytes: {}", buffer.len(), String::from_utf8_lossy(&buffer));
                return Ok(fails("a whole head", got));
            }
            Ok(None) => {}
            Err(unmet) => return Ok(Err(unmet)),
        }
    }
}

async fn refusal_body(stream: &mut Stream, head: &Head, rest: BytesMut, site: &Site) -> String {
    let length = head.header("content-length").and_then(|length| length.parse().ok());
    let length = length.unwrap_or(ANSWER_BYTES_MAX).min(ANSWER_BYTES_MAX);
    let mut body = rest.to_vec();
    let missing = length.saturating_sub(body.len());
    if missing > 0 {
        body.extend(pass_over(stream, missing as u64, site.patience).await);
    }
    String::from_utf8_lossy(&body).into_owned()
}
