//! Custom domain names, and which API and stage their paths lead to (H4).

use std::{collections::HashMap, sync::Arc};

use percent_encoding::percent_decode_str;

use crate::{
    ConfigError,
    api::{Api, Stage},
};

/// A custom domain name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DomainConfig {
    /// The host name, without a port.
    pub name: String,
    /// Each with another base path.
    pub mappings: Vec<BasePathMapping>,
}

/// Where one base path of a domain leads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BasePathMapping {
    /// `ApiMappingKey`: what stands in the path in place of the stage, without slashes around it; empty for the root.
    pub base_path: String,
    /// The API.
    pub api_id: String,
    /// Its stage.
    pub stage: String,
}

/// A domain as the gateway runs it.
#[derive(Debug)]
pub(crate) struct Domain {
    /// The name that a `Host` has, or what it ends with after its first label.
    name: String,
    is_wildcard: bool,
    /// The longest base path first.
    mappings: Vec<Mapping>,
}

#[derive(Debug)]
struct Mapping {
    segments: Vec<String>,
    api: Arc<Api>,
    stage: Arc<Stage>,
}

impl Domain {
    /// Checks a domain; its mappings lead to stages that are there.
    pub(crate) fn compile(
        config: &DomainConfig,
        apis: &HashMap<Box<str>, Arc<Api>>,
    ) -> Result<Self, ConfigError> {
        let failed = |problem: String| ConfigError::Domain { domain: config.name.clone(), problem };
        let mut mappings: Vec<Mapping> = Vec::with_capacity(config.mappings.len());
        for BasePathMapping { base_path, api_id, stage } in &config.mappings {
            let api = apis.get(api_id.as_str());
            let api = api.ok_or_else(|| failed(format!("leads to API {api_id}, which there is none of")))?;
            // A stage that is not deployed refuses everybody, as it does under the API's own name (H7).
            let Some(stage) = api.stage(stage) else { continue };
            let segments: Vec<String> =
                base_path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
            if mappings.iter().any(|other| other.segments == segments) {
                return Err(failed(format!("leads from \"{base_path}\" to two stages; keep one of them")));
            }
            mappings.push(Mapping { segments, api: Arc::clone(api), stage: Arc::clone(stage) });
        }
        mappings.sort_by_key(|mapping| std::cmp::Reverse(mapping.segments.len()));
        let name = config.name.to_ascii_lowercase();
        let (name, is_wildcard) = match name.strip_prefix("*.") {
            Some(rest) => (rest.to_owned(), true),
            None => (name, false),
        };
        Ok(Domain { name, is_wildcard, mappings })
    }

    /// Whether a host name, in small letters, is this domain's.
    pub(crate) fn is(&self, host: &str) -> bool {
        if !self.is_wildcard {
            return host == self.name;
        }
        host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == self.name)
    }

    /// Where a path leads, and what is left of it.
    pub(crate) fn lead<'p>(&self, path: &'p str) -> Option<Way<'_, 'p>> {
        self.mappings.iter().find_map(|mapping| {
            let rest = mapping.segments.iter().try_fold(path, |path, segment| {
                let (own, rest) = first_segment(path)?;
                (own == *segment).then_some(rest)
            })?;
            Some(Way { api: &mapping.api, stage: &mapping.stage, rest })
        })
    }
}

/// Where a path leads.
pub(crate) struct Way<'d, 'p> {
    pub(crate) api: &'d Arc<Api>,
    pub(crate) stage: &'d Arc<Stage>,
    /// What comes after the stage or the base path: nothing, or a path.
    pub(crate) rest: &'p str,
}

/// The first segment of a path, decoded, and the rest: any character may be percent-encoded or not (C6).
pub(crate) fn first_segment(path: &str) -> Option<(std::borrow::Cow<'_, str>, &str)> {
    let path = path.strip_prefix('/')?;
    let (segment, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
    Some((percent_decode_str(segment).decode_utf8().ok()?, rest))
}
