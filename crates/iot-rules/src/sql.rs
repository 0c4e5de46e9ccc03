//! The SQL of IoT rules: parsed once at start, evaluated per message.

/// Why a statement cannot serve as a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SqlError {
    pub(crate) message: String,
}
