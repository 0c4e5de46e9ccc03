//! `report.json`: what was measured, with the version of its layout.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::LoadError;
use crate::measured::Measured;

/// The layout of `report.json`. It grows when a key changes its meaning or goes away; a further key is no change.
pub const SCHEMA_VERSION: u32 = 2;

/// What kind of document it is, beside those of the smaller measurements.
const KIND: &str = "run";

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    kind: &'a str,
    #[serde(flatten)]
    measured: &'a Measured,
}

/// What every version of the document has.
#[derive(Deserialize)]
struct Head {
    version: u32,
    kind: String,
}

/// The document of a run.
///
/// # Errors
///
/// `Internal` if it cannot be written as JSON.
pub(super) fn text(measured: &Measured) -> Result<String, LoadError> {
    let text = serde_json::to_string_pretty(&Document { version: SCHEMA_VERSION, kind: KIND, measured });
    text.map(|text| text + "\n")
        .map_err(|error| LoadError::Internal(format!("the report is no JSON: {error}")))
}

/// The run of a document; `file` is named in errors.
pub(super) fn parse(text: &str, file: &Path) -> Result<Measured, LoadError> {
    let usage = |what: String| LoadError::Usage(format!("{}: {what}", file.display()));
    let head: Head =
        serde_json::from_str(text).map_err(|error| usage(format!("this is no report of a run: {error}")))?;
    if head.kind != KIND {
        return Err(usage(format!("this is a report of kind `{}`, not of a run", head.kind)));
    }
    if head.version != SCHEMA_VERSION {
        return Err(usage(format!(
            "this report has version {} of the layout, and this program reads version {SCHEMA_VERSION}",
            head.version
        )));
    }
    serde_json::from_str(text).map_err(|error| usage(format!("the report cannot be understood: {error}")))
}
