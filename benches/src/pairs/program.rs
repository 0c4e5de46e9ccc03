//! The program of all groups: `cargo bench -p dunlin-benches --bench pairs`.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

use super::{Effort, Entry, Group};

/// The result of a benchmark is worthless: a defect of the benchmark.
const EXIT_DEFECT: u8 = 1;
const EXIT_USAGE: u8 = 64;
/// A result cannot be written.
const EXIT_OUTPUT: u8 = 74;

/// Ratios to bare references, measured in turns.
#[derive(Parser)]
#[command(
    name = "pairs",
    after_help = "A row is: id, subject, reference, ratio with its 95 % interval, what the reference is.\n\n\
                  Exit codes: 0 measured, 1 a benchmark is defective, 64 wrong command line, 74 a result cannot be written."
)]
struct Args {
    /// Only benchmarks whose id starts with one of these, such as `handler` or `fanout/publish`.
    ids: Vec<String>,
    /// Fewer and shorter blocks.
    #[arg(long)]
    quick: bool,
    /// Writes one JSON file for each result into this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Lists the ids and measures nothing.
    #[arg(long)]
    list: bool,
    /// What cargo adds for a benchmark, as against a test.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Runs what the command line asks for.
pub fn main(groups: impl IntoIterator<Item = Group>) -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    let wanted = |entry: &Entry| args.ids.is_empty() || args.ids.iter().any(|id| is_below(&entry.id, id));
    let entries: Vec<Entry> = groups.into_iter().flat_map(Group::into_entries).filter(wanted).collect();
    if entries.is_empty() {
        eprintln!("no benchmark has such an id; `--list` shows all");
        return ExitCode::from(EXIT_USAGE);
    }
    if args.list {
        entries.iter().for_each(|entry| println!("{}", entry.id));
        return ExitCode::SUCCESS;
    }
    if !args.bench {
        println!("{} benchmarks; `--bench` measures them", entries.len());
        return ExitCode::SUCCESS;
    }
    run(entries, &args)
}

/// Whether `id` is `prefix` or lies below it.
fn is_below(id: &str, prefix: &str) -> bool {
    id.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'))
}

fn run(entries: Vec<Entry>, args: &Args) -> ExitCode {
    let effort = if args.quick { Effort::QUICK } else { Effort::FULL };
    let mut code = ExitCode::SUCCESS;
    for entry in entries {
        if args.quick && entry.is_heavy() {
            continue;
        }
        let measured = entry.measure(effort);
        println!("{measured}");
        for defect in measured.defects() {
            eprintln!("  defect: {defect}");
            code = ExitCode::from(EXIT_DEFECT);
        }
        if let Some(dir) = &args.out
            && let Err(error) = measured.write(dir)
        {
            eprintln!("cannot write results into {}: {error}", dir.display());
            return ExitCode::from(EXIT_OUTPUT);
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_chosen_by_their_parts() {
        for (id, prefix, below) in [
            ("handler/message/small", "handler", true),
            ("handler/message/small", "handler/message", true),
            ("handler/message/small", "handler/message/small", true),
            ("handler/message/small", "handler/", true),
            ("handler/message/small", "hand", false),
            ("handler/message/small", "message", false),
        ] {
            assert_eq!(is_below(id, prefix), below, "{id} {prefix}");
        }
    }
}
