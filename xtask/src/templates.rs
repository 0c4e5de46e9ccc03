//! The templates as AWS would take them: cfn-lint, SAM's translator, and what the translated templates allow and
//! watch.

mod allowed;
mod watched;

use std::{fs, path::PathBuf, process::Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use crate::{
    command::{line, root, run},
    python::Environment,
};

/// Checks notify's template, that of the conformance suite and those of the examples; what the tools find is what they print.
pub(crate) fn check(environment: &Environment) -> Result<()> {
    let templates = templates()?;
    // Informational findings count, such as a table of which nobody said whether it outlives the stack.
    let mut lint = environment.program("cfn-lint");
    lint.current_dir(root()).args(["--include-checks", "I", "--"]).args(&templates);
    run(&mut lint)?;
    let mut translate = environment.python();
    translate.current_dir(root()).arg("xtask/python/translate.py").args(&templates).stderr(Stdio::inherit());
    eprintln!("$ {}", line(&translate));
    let output = translate.output().context("cannot run SAM's translator")?;
    if !output.status.success() {
        bail!("SAM's translator refuses a template; each line above says where");
    }
    let translated: Map<String, Value> =
        serde_json::from_slice(&output.stdout).context("translate.py printed no JSON")?;
    let check = |(name, template): (&String, &Value)| {
        [allowed::check(name, template), watched::check(name, template)].concat()
    };
    let faults: Vec<_> = translated.iter().flat_map(check).collect();
    for fault in &faults {
        eprintln!("{fault}");
    }
    if !faults.is_empty() {
        bail!("the templates have {} fault(s); each line above says where", faults.len());
    }
    Ok(())
}

/// The template of notify, that of the conformance suite and those of the examples, relative to the workspace.
fn templates() -> Result<Vec<PathBuf>> {
    let examples = fs::read_dir(root().join("examples")).context("cannot list examples")?;
    let folders: Vec<PathBuf> = examples
        .map(|entry| Ok(PathBuf::from("examples").join(entry?.file_name())))
        .collect::<Result<_>>()?;
    let mut templates =
        vec![PathBuf::from("infra/template.yaml"), PathBuf::from("conformance/template.yaml")];
    templates.extend(folders.into_iter().map(|folder| folder.join("template.yaml")));
    templates.retain(|template| root().join(template).is_file());
    templates.sort();
    Ok(templates)
}
