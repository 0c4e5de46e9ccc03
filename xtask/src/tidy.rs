//! `cargo xtask tidy`: what the compiler cannot check.

mod arrows;
mod documents;
mod template;

use anyhow::{Result, bail};

pub(crate) fn run() -> Result<()> {
    let faults = [arrows::check()?, template::check()?, documents::check()?].concat();
    if faults.is_empty() {
        eprintln!("tidy: arrows, template and documents agree");
        return Ok(());
    }
    for fault in &faults {
        eprintln!("tidy: {fault}");
    }
    bail!("tidy found {} fault(s); each line above says where", faults.len())
}
