use std::fmt;

use http::Uri;

/// Where a gateway listens: the parts of a URL whose path ends with the stage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    /// `wss` or `https`.
    pub is_tls: bool,
    /// A name or an IP address; version 6 in brackets.
    pub host: String,
    /// Named, or the scheme's.
    pub port: u16,
    /// Starts with a slash, ends without one.
    pub path: String,
    /// Whether the URL named the port, and the `Host` header does.
    pub names_port: bool,
}

impl Address {
    /// Reads `ws://`, `wss://`, `http://` or `https://`.
    ///
    /// # Errors
    /// One sentence that says what a URL looks like.
    pub fn parse(url: &str) -> Result<Self, String> {
        let wrong =
            || format!("{url:?} is no address: wss://HOST/STAGE is expected, or ws://, https:// or http://");
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let is_tls = match uri.scheme_str() {
            Some("ws" | "http") => false,
            Some("wss" | "https") => true,
            _ => return Err(wrong()),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
        if uri.query().is_some() {
            return Err(wrong());
        }
        Ok(Address {
            is_tls,
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            path: uri.path().trim_end_matches('/').to_owned(),
            names_port: uri.port().is_some(),
        })
    }

    /// The value of the `Host` header.
    pub fn authority(&self) -> String {
        if self.names_port { format!("{}:{}", self.host, self.port) } else { self.host.clone() }
    }

    /// What a socket is opened to.
    pub fn socket(&self) -> (&str, u16) {
        (self.host.trim_start_matches('[').trim_end_matches(']'), self.port)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_urls_with_a_stage() {
        let address = Address::parse("wss://a1.execute-api.eu-west-1.amazonaws.com/prod/").unwrap();
        assert_eq!(address.to_string(), "https://a1.execute-api.eu-west-1.amazonaws.com/prod");
        assert_eq!(address.socket(), ("a1.execute-api.eu-west-1.amazonaws.com", 443));
        let address = Address::parse("ws://[::1]:3001/dev").unwrap();
        assert_eq!((address.authority().as_str(), address.socket()), ("[::1]:3001", ("::1", 3001)));
        for wrong in ["", "prod", "ftp://x/y", "ws:///dev", "ws://x/dev?a=b"] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }
}
