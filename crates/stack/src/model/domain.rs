use super::Place;

/// A custom domain name (H4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Key in the template.
    pub logical_id: String,
    /// `DomainName`, in small letters.
    pub name: String,
    /// In template order.
    pub mappings: Vec<ApiMapping>,
    /// Where the resource begins.
    pub at: Place,
}

/// Where one base path of a domain leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiMapping {
    /// `ApiMappingKey`, without slashes around it; empty for the root.
    pub base_path: String,
    /// [`crate::WebSocketApi::api_id`].
    pub api_id: String,
    /// [`crate::Stage::name`].
    pub stage: String,
}
