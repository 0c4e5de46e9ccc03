//! `cargo xtask tidy`: what the compiler cannot check.

mod arrows;
mod documents;
mod template;

use anyhow::{Result, bail};

/// What `tidy` takes.
#[derive(Default, clap::Args)]
pub(crate) struct Args {
    /// Write the documents that are rendered from others first.
    #[arg(long)]
    write: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if args.write {
        crate::bench::render()?;
    }
    let faults =
        [arrows::check()?, template::check()?, documents::check()?, crate::bench::faults()?].concat();
    if faults.is_empty() {
        eprintln!("tidy: arrows, template and documents agree");
        return Ok(());
    }
    for fault in &faults {
        eprintln!("tidy: {fault}");
    }
    bail!("tidy found {} fault(s); each line above says where", faults.len())
}
