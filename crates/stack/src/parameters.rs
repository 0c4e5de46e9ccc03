use std::collections::BTreeMap;

use crate::arn;

/// What the caller decides about a stack: values for the template's parameters, and the pseudo parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// Values by parameter name; they take the place of the template's defaults. A name that the template does not
    /// declare is an error.
    pub values: BTreeMap<String, String>,
    /// What `Fn::ImportValue` finds: values by the name under which another stack exports them.
    pub imports: BTreeMap<String, String>,
    /// `AWS::Region`.
    pub region: String,
    /// `AWS::AccountId`.
    pub account_id: String,
    /// `AWS::StackName`: the first part of every name that the template leaves to the service.
    pub stack_name: String,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            values: BTreeMap::new(),
            imports: BTreeMap::new(),
            region: arn::REGION_DEFAULT.to_owned(),
            account_id: arn::ACCOUNT_ID.to_owned(),
            stack_name: arn::STACK_NAME_DEFAULT.to_owned(),
        }
    }
}
