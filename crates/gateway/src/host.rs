use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use crate::{GatewayConfig, api::Api};

/// The names under which clients may reach the gateway.
///
/// Any other `Host` is refused: a web page whose own name resolves to loopback would otherwise reach it as its own origin.
#[derive(Debug)]
pub(crate) struct Hosts {
    local: Vec<String>,
    any_address: bool,
    apis: HashMap<String, Arc<Api>>,
}

impl Hosts {
    pub(crate) fn new<'a>(config: &GatewayConfig, apis: impl Iterator<Item = &'a Arc<Api>>) -> Self {
        let local = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).into_iter();
        let (region, suffix) = (&config.region, &config.dns_suffix);
        let name = |api: &Arc<Api>| format!("{}.execute-api.{region}.{suffix}", api.id).to_ascii_lowercase();
        Hosts {
            local: local.chain(config.extra_hosts.iter().map(|host| host.to_ascii_lowercase())).collect(),
            any_address: config.any_address,
            apis: apis.map(|api| (name(api), Arc::clone(api))).collect(),
        }
    }

    /// The API that a `Host` selects: the one it names, or `default` under a name that belongs to all.
    pub(crate) fn select<'a>(&'a self, host: &str, default: &'a Arc<Api>) -> Option<&'a Arc<Api>> {
        let name = without_port(host)?.to_ascii_lowercase();
        let is_local = self.local.contains(&name) || (self.any_address && is_address(&name));
        if is_local { Some(default) } else { self.apis.get(&name) }
    }
}

/// Whether a host without its port is an IP address; version 6 stands in brackets.
fn is_address(name: &str) -> bool {
    match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(name) => name.parse::<Ipv6Addr>().is_ok(),
        None => name.parse::<IpAddr>().is_ok_and(|address| address.is_ipv4()),
    }
}

/// The name in `name`, `name:port`, `[v6]` or `[v6]:port`.
fn without_port(host: &str) -> Option<&str> {
    let name_end = host.find(']').map_or(0, |bracket| bracket + 1);
    let Some((name, port)) = host[name_end..].split_once(':') else {
        return Some(host);
    };
    let is_port = port.parse::<u16>().is_ok() && port.bytes().all(|byte| byte.is_ascii_digit());
    is_port.then(|| &host[..name_end + name.len()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ApiConfig;

    #[test]
    fn hosts_select_an_api_or_nothing() {
        let api = |id: &str| Arc::new(Api::compile(ApiConfig::new(id, "x")).unwrap());
        let (one, two) = (api("one"), api("two"));
        let mut config = GatewayConfig::new("eu-west-1", "123456789012", Arc::new(|_: &str| None));
        config.extra_hosts.push("Gateway.local".to_owned());
        let hosts = Hosts::new(&config, [&one, &two].into_iter());
        for (host, expected) in [
            ("localhost", Some("one")),
            ("LocalHost:3001", Some("one")),
            ("127.0.0.1:80", Some("one")),
            ("[::1]", Some("one")),
            ("[::1]:3001", Some("one")),
            ("gateway.local:1", Some("one")),
            ("one.execute-api.eu-west-1.amazonaws.com", Some("one")),
            ("two.execute-api.eu-west-1.amazonaws.com:3001", Some("two")),
            ("two.execute-api.eu-west-2.amazonaws.com", None),
            ("three.execute-api.eu-west-1.amazonaws.com", None),
            ("evil.example", None),
            ("localhost.evil.example", None),
            ("localhost:x", None),
            ("localhost:+80", None),
            ("localhost:", None),
            ("localhost:99999", None),
            ("192.0.2.1:3001", None),
            ("::1", None),
            ("", None),
        ] {
            assert_eq!(hosts.select(host, &one).map(|api| &*api.id), expected, "{host}");
        }

        config.any_address = true;
        let hosts = Hosts::new(&config, [&one, &two].into_iter());
        for (host, expected) in [
            ("192.0.2.1:3001", Some("one")),
            ("[2001:db8::1]:3001", Some("one")),
            ("two.execute-api.eu-west-1.amazonaws.com", Some("two")),
            ("192.0.2.1.evil.example", None),
            ("evil.example", None),
            ("[192.0.2.1]", None),
            ("2001:db8::1", None),
        ] {
            assert_eq!(hosts.select(host, &one).map(|api| &*api.id), expected, "{host}");
        }
    }
}
