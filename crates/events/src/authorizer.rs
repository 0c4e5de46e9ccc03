use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ListMap, PolicyDocument, RequestContext, Text, TextMap};

/// What a REQUEST authorizer receives (A2). Its maps are present even when empty.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizerRequest<'a> {
    /// Always `REQUEST` (A1).
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    /// `arn:aws:execute-api:{region}:{account}:{api-id}/{stage}/$connect`.
    #[serde(borrow)]
    pub method_arn: Text<'a>,
    /// Headers of the handshake, `Connection` and `Upgrade` included (H20).
    #[serde(borrow, default)]
    pub headers: TextMap<'a>,
    /// The same with every value.
    #[serde(borrow, default)]
    pub multi_value_headers: ListMap<'a>,
    /// The query, `{}` without one.
    #[serde(borrow, default)]
    pub query_string_parameters: TextMap<'a>,
    /// The same with every value.
    #[serde(borrow, default)]
    pub multi_value_query_string_parameters: ListMap<'a>,
    /// `{}` if the stage has none.
    #[serde(borrow, default)]
    pub stage_variables: TextMap<'a>,
    /// As on CONNECT, without `authorizer`.
    #[serde(borrow)]
    pub request_context: RequestContext<'a>,
}

/// What an authorizer answers (A3).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizerResponse {
    /// Who the caller is.
    pub principal_id: String,
    /// Whether it may connect.
    pub policy_document: PolicyDocument,
    /// Strings, numbers and booleans that later events carry (A5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<BTreeMap<String, Value>>,
    /// The API key, where the API takes it from here (A10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_identifier_key: Option<String>,
}
