use super::SqlError;

/// A version of the service's SQL (S8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Version {
    /// The first one, and the service's choice for a rule that names none. It lacks literals of arrays and objects, nested
    /// queries, and the younger functions.
    V2015_10_08,
    /// The present one.
    #[default]
    V2016_03_23,
    /// Whatever the service has as newest; here the same as the present one.
    Beta,
}

impl Version {
    /// As a template and `sql_version()` write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2015_10_08 => "2015-10-08",
            Self::V2016_03_23 => "2016-03-23",
            Self::Beta => "beta",
        }
    }
}

impl std::str::FromStr for Version {
    type Err = SqlError;

    fn from_str(text: &str) -> Result<Self, SqlError> {
        let mut all = [Self::V2015_10_08, Self::V2016_03_23, Self::Beta].into_iter();
        all.find(|version| version.as_str() == text).ok_or_else(|| {
            SqlError::general(format!(
                "there is no SQL version {text:?}; there are 2016-03-23, 2015-10-08 and beta"
            ))
        })
    }
}
