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

#[cfg(test)]
mod tests {
    use boon::{Compiler, Schemas};
    use serde_json::{Value, json};

    use super::*;
    use crate::measured::{Model, Steps, WarmUp};
    use crate::results::sample;

    const SCHEMA: &str = include_str!("../../report.schema.json");

    /// The schema, so that it takes no key that it does not describe.
    fn strict() -> Value {
        fn close(schema: &mut Value) {
            if let Some(object) = schema.as_object_mut() {
                if object.contains_key("properties") {
                    object.insert("additionalProperties".to_owned(), json!(false));
                }
                object.values_mut().for_each(close);
            } else if let Some(list) = schema.as_array_mut() {
                list.iter_mut().for_each(close);
            }
        }
        let mut schema = serde_json::from_str(SCHEMA).unwrap();
        close(&mut schema);
        schema
    }

    fn check(document: &Value) -> Result<(), String> {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("report.schema.json", strict()).unwrap();
        let schema = compiler.compile("report.schema.json", &mut schemas).unwrap();
        schemas.validate(document, schema).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn every_document_is_what_the_schema_describes() {
        let mut measured = sample::measured(1);
        let document = |measured: &Measured| serde_json::from_str(&text(measured).unwrap()).unwrap();
        check(&document(&measured)).unwrap();
        // What the sample has not: the other half of each choice.
        measured.run.model = Model::Closed;
        measured.run.cause = None;
        measured.revision.commit = None;
        measured.ended_early = Some("interrupted".to_owned());
        measured.invalid.push("late".to_owned());
        measured.phases[0].warm_up = WarmUp::NeverSettled;
        measured.phases[1].warm_up = WarmUp::TooShort;
        measured.phases[1].rates[0].offered_per_second = None;
        measured.generator.cpu_ns_per_message = None;
        measured.generator.lag[0].times = crate::measured::Times::default();
        measured.steps = Some(Steps {
            factor: 1.25,
            grows: "updates".to_owned(),
            last_good: Some(("step 3".to_owned(), 31.2)),
            first_bad: None,
        });
        check(&document(&measured)).unwrap();
    }

    #[test]
    fn the_schema_tells_what_is_no_report() {
        let good: Value = serde_json::from_str(&text(&sample::measured(1)).unwrap()).unwrap();
        let changes: [fn(&mut Value); 6] = [
            |document| document["version"] = json!(1),
            |document| document["run"]["model"] = json!("half open"),
            |document| document["phases"][1]["reach"]["lost"] = json!(-1),
            |document| document["phases"][1]["further"] = json!(0),
            |document| drop(document.as_object_mut().unwrap().remove("generator")),
            |document| document["seconds"][3]["intervals"][0]["name"]["metric"] = json!("walk"),
        ];
        for change in changes {
            let mut document = good.clone();
            change(&mut document);
            assert!(check(&document).is_err());
        }
    }

    #[test]
    fn the_schema_has_this_version() {
        assert_eq!(strict()["properties"]["version"]["const"], SCHEMA_VERSION);
    }
}
