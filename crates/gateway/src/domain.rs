//! Custom domain names, and which API and stage their paths lead to (H4).

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
