use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use crate::{
    ConfigError, GatewayConfig,
    api::Api,
    domain::{Domain, Way, first_segment},
};

/// The names under which clients may reach the gateway.
///
/// Any other `Host` is refused: a web page whose own name resolves to loopback would otherwise reach it as its own origin.
#[derive(Debug)]
pub(crate) struct Hosts {
    local: Vec<String>,
    any_address: bool,
    apis: HashMap<String, Arc<Api>>,
    domains: Vec<Domain>,
}

/// Whom a `Host` belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Door<'a> {
    /// An API: the path begins with its stage.
    Api(&'a Arc<Api>),
    /// A custom domain: the path begins with a base path (H4).
    Domain(&'a Domain),
}

impl Hosts {
    /// Checks the domains.
    pub(crate) fn compile(
        config: &GatewayConfig,
        apis: &HashMap<Box<str>, Arc<Api>>,
    ) -> Result<Self, ConfigError> {
        let local = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).into_iter();
        let (region, suffix) = (&config.region, &config.dns_suffix);
        let name = |api: &Arc<Api>| format!("{}.execute-api.{region}.{suffix}", api.id).to_ascii_lowercase();
        // H6: such an API has no name of its own.
        let named = apis.values().filter(|api| !api.default_host_disabled);
        Ok(Hosts {
            local: local.chain(config.extra_hosts.iter().map(|host| host.to_ascii_lowercase())).collect(),
            any_address: config.any_address,
            apis: named.map(|api| (name(api), Arc::clone(api))).collect(),
            domains: (config.domains.iter())
                .map(|domain| Domain::compile(domain, apis))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whom a `Host` selects: the API or the domain that it names, or `default` under a name that belongs to all.
    pub(crate) fn select<'a>(&'a self, host: &str, default: &'a Arc<Api>) -> Option<Door<'a>> {
        let name = without_port(host)?.to_ascii_lowercase();
        let is_local = self.local.contains(&name) || (self.any_address && is_address(&name));
        if is_local {
            return Some(Door::Api(default));
        }
        let domain = || self.domains.iter().find(|domain| domain.is(&name)).map(Door::Domain);
        self.apis.get(&name).map(Door::Api).or_else(domain)
    }
}

impl<'a> Door<'a> {
    /// Where a path leads behind it.
    pub(crate) fn lead<'p>(self, path: &'p str) -> Option<Way<'a, 'p>> {
        match self {
            Door::Api(api) => {
                let (stage, rest) = first_segment(path)?;
                Some(Way { api, stage: api.stage(&stage)?, rest })
            }
            Door::Domain(domain) => domain.lead(path),
        }
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
    use crate::{ApiConfig, BasePathMapping, DomainConfig, StageConfig};

    fn apis() -> HashMap<Box<str>, Arc<Api>> {
        let api = |id: &str| {
            let stages = vec![StageConfig::new("dev"), StageConfig::new("prod")];
            let config =
                ApiConfig { stages, default_host_disabled: id == "hidden", ..ApiConfig::new(id, "x") };
            (id.into(), Arc::new(Api::compile(config).unwrap()))
        };
        ["one", "two", "hidden"].into_iter().map(api).collect()
    }

    /// Base path, API and stage.
    type Led<'a> = (&'a str, &'a str, &'a str);

    fn config(domains: &[(&str, &[Led<'_>])]) -> GatewayConfig {
        let mapping = |(base_path, api_id, stage): &Led<'_>| BasePathMapping {
            base_path: (*base_path).to_owned(),
            api_id: (*api_id).to_owned(),
            stage: (*stage).to_owned(),
        };
        let domain = |(name, mappings): &(&str, &[Led<'_>])| DomainConfig {
            name: (*name).to_owned(),
            mappings: mappings.iter().map(mapping).collect(),
        };
        let mut config = GatewayConfig::new("eu-west-1", "123456789012", Arc::new(|_: &str| None));
        config.domains = domains.iter().map(domain).collect();
        config
    }

    #[track_caller]
    fn check_host(hosts: &Hosts, apis: &HashMap<Box<str>, Arc<Api>>, host: &str, expected: Option<&str>) {
        let found = hosts.select(host, &apis["one"]).map(|door| match door {
            Door::Api(api) => api.id.to_string(),
            Door::Domain(_) => "a domain".to_owned(),
        });
        assert_eq!(found.as_deref(), expected, "{host}");
    }

    #[test]
    fn hosts_select_an_api_or_nothing() {
        let apis = apis();
        let mut config = config(&[("WS.example.com", &[]), ("*.wild.example.com", &[])]);
        config.extra_hosts.push("Gateway.local".to_owned());
        let hosts = Hosts::compile(&config, &apis).unwrap();
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
            // H6: off.
            ("hidden.execute-api.eu-west-1.amazonaws.com", None),
            ("ws.example.com", Some("a domain")),
            ("ws.Example.com:3001", Some("a domain")),
            ("a.wild.example.com", Some("a domain")),
            ("a.b.wild.example.com", None),
            ("wild.example.com", None),
            (".wild.example.com", None),
            ("example.com", None),
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
            check_host(&hosts, &apis, host, expected);
        }

        config.any_address = true;
        let hosts = Hosts::compile(&config, &apis).unwrap();
        for (host, expected) in [
            ("192.0.2.1:3001", Some("one")),
            ("[2001:db8::1]:3001", Some("one")),
            ("two.execute-api.eu-west-1.amazonaws.com", Some("two")),
            ("192.0.2.1.evil.example", None),
            ("evil.example", None),
            ("[192.0.2.1]", None),
            ("2001:db8::1", None),
        ] {
            check_host(&hosts, &apis, host, expected);
        }
    }

    #[test]
    fn paths_lead_to_stages() {
        let apis = apis();
        let mappings: &[_] = &[("chat", "one", "dev"), ("chat/v2", "two", "prod"), ("gone", "one", "none")];
        let rooted: &[_] = &[("", "two", "dev"), ("a b", "one", "prod")];
        let config = config(&[("ws.example.com", mappings), ("root.example.com", rooted)]);
        let hosts = Hosts::compile(&config, &apis).unwrap();
        for (host, path, expected) in [
            ("localhost", "/dev", Some("one dev ")),
            ("localhost", "/%64ev/", Some("one dev /")),
            ("localhost", "/dev/@connections/x", Some("one dev /@connections/x")),
            ("localhost", "/chat", None),
            ("localhost", "/", None),
            ("localhost", "", None),
            ("ws.example.com", "/chat", Some("one dev ")),
            ("ws.example.com", "/chat/@connections/x", Some("one dev /@connections/x")),
            ("ws.example.com", "/chat/v2", Some("two prod ")),
            ("ws.example.com", "/chat%2Fv2", None),
            ("ws.example.com", "/chat/v2/", Some("two prod /")),
            ("ws.example.com", "/chat/v3", Some("one dev /v3")),
            // H5: the stage is no base path.
            ("ws.example.com", "/dev", None),
            ("ws.example.com", "/gone", None),
            ("root.example.com", "", Some("two dev ")),
            ("root.example.com", "/", Some("two dev /")),
            ("root.example.com", "/a%20b", Some("one prod ")),
            ("root.example.com", "/prod/@connections/x", Some("two dev /prod/@connections/x")),
        ] {
            let door = hosts.select(host, &apis["one"]).unwrap();
            let way = door.lead(path);
            let found = way.map(|Way { api, stage, rest }| format!("{} {} {rest}", api.id, stage.name));
            assert_eq!(found.as_deref(), expected, "{host} {path}");
        }
    }

    #[test]
    fn mistakes_of_domains_are_named() {
        let error = |mappings| {
            Hosts::compile(&config(&[("ws.example.com", mappings)]), &apis()).unwrap_err().to_string()
        };
        assert_eq!(
            error(&[("a", "none", "dev")]),
            "domain ws.example.com leads to API none, which there is none of"
        );
        assert_eq!(
            error(&[("a", "one", "dev"), ("a", "two", "dev")]),
            "domain ws.example.com leads from \"a\" to two stages; keep one of them"
        );
    }
}
