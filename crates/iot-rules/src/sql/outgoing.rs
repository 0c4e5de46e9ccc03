/// What a rule hands to its actions: the outgoing payload, and what templates of the actions may refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The payload. With `SELECT *` alone it is the message's own, whatever that is.
    pub payload: Vec<u8>,
    /// Whether the payload is JSON. Actions that need JSON, Lambda's above all, cannot take another one (S7).
    pub is_json: bool,
    /// The values of the statement's `SET` clause.
    pub variables: Variables,
}

/// The values of a `SET` clause for one message, for the templates of the rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables(pub(super) Vec<Option<String>>);

/// Why a statement has no result for a message. The service does not run the error action for it (S10).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    /// The statement looks inside the payload, and that is not JSON, or not an object where it must be one (S7).
    #[error("the payload is not the JSON that the statement needs: {problem}")]
    NotJson {
        /// What is wrong with it, with its place.
        problem: String,
    },
    /// A bound of the evaluation was reached.
    #[error("{what} is beyond the limit of {limit}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The named bound; see [`crate::sql::limits`].
        limit: u64,
    },
}
