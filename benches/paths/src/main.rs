//! The hot paths that `cargo xtask gate` compares between two revisions, as one small program: the gate builds it from both,
//! runs it many times, and decides. It measures and prints; it does not compare.
//!
//! ```sh
//! dunlin-paths list
//! dunlin-paths count handler/message --operations 1000
//! dunlin-paths run gateway/echo --operations 20000
//! ```
//!
//! Each prints one line of JSON. `count` gives what is the same on every machine: allocations, and what a path counts by itself
//! (posts, calls of a store, bytes on the wire). `run` gives processor time and wall time. `repeat` only does the work: the gate
//! runs it under callgrind and strace with two numbers of operations, whose difference has no set-up in it.
//!
//! What is printed here is read by the gate of another revision: names and meanings of fields stay.

mod allocations;
mod clock;
mod path;
mod paths;
mod runtime;

use std::{io::Write as _, process::ExitCode};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use serde_json::json;

use crate::{
    allocations::{Allocations, CountingAllocator},
    clock::Times,
    path::{Entry, Workload},
};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Operations before anything is measured: caches, pools and tables have their size then.
const WARM_UP_OPERATIONS: u64 = 20;

/// The hot paths of Dunlin, to be compared between revisions by `cargo xtask gate`.
#[derive(Parser)]
#[command(name = "dunlin-paths", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Prints every path: its name, and how many operations count and run well
    List,
    /// Counts allocations, posts, store calls and bytes of one operation
    Count(PathArgs),
    /// Takes the processor time and the wall time of some operations
    Run(PathArgs),
    /// Does the work and measures nothing, for tools that look at the process from outside
    Repeat(PathArgs),
}

#[derive(clap::Args)]
struct PathArgs {
    /// Such as `handler/message`
    path: String,
    /// How often the path's work is done
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    operations: u64,
    /// Do this much more work and do not say so: how the gate checks that it notices
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=100))]
    extra_percent: u64,
}

fn main() -> ExitCode {
    match run(Args::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    let line = match command {
        Command::List => {
            let entry = |entry: &Entry| json!({ "path": entry.name, "count_operations": entry.count_operations, "trace_operations": entry.trace_operations });
            json!({ "version": 1, "paths": paths::ALL.iter().map(entry).collect::<Vec<_>>() })
        }
        Command::Count(args) => count(&args)?,
        Command::Run(args) => time(&args)?,
        // No clock: rustix looks for the kernel's own page of them, which a process below valgrind does not have.
        Command::Repeat(args) => {
            let mut workload = (entry(&args.path)?.make)();
            repeat(&mut *workload, WARM_UP_OPERATIONS, 0);
            repeat(&mut *workload, args.operations, args.extra_percent);
            json!({ "path": args.path, "operations": args.operations })
        }
    };
    writeln!(std::io::stdout(), "{line}").context("nobody reads the result")
}

fn entry(name: &str) -> Result<&'static Entry> {
    paths::ALL
        .iter()
        .find(|entry| entry.name == name)
        .with_context(|| format!("there is no path {name:?}; `dunlin-paths list` names them"))
}

fn count(args: &PathArgs) -> Result<serde_json::Value> {
    let mut workload = (entry(&args.path)?.make)();
    repeat(&mut *workload, WARM_UP_OPERATIONS, 0);
    let (tallies, allocations) = (workload.tallies(), Allocations::now());
    repeat(&mut *workload, args.operations, args.extra_percent);
    let allocations = Allocations::now() - allocations;
    let per_operation = |total: u64| total as f64 / args.operations as f64;
    let mut figures = serde_json::Map::new();
    figures.insert("allocations".to_owned(), per_operation(allocations.count).into());
    figures.insert("allocated_bytes".to_owned(), per_operation(allocations.bytes).into());
    for ((name, after), (_, before)) in workload.tallies().into_iter().zip(tallies) {
        figures.insert(name.to_owned(), per_operation(after - before).into());
    }
    Ok(json!({ "path": args.path, "operations": args.operations, "per_operation": figures }))
}

fn time(args: &PathArgs) -> Result<serde_json::Value> {
    let mut workload = (entry(&args.path)?.make)();
    repeat(&mut *workload, WARM_UP_OPERATIONS, 0);
    let before = Times::now();
    repeat(&mut *workload, args.operations, args.extra_percent);
    let Times { cpu_ns, wall_ns } = Times::now() - before;
    Ok(json!({ "path": args.path, "operations": args.operations, "cpu_ns": cpu_ns, "wall_ns": wall_ns }))
}

/// Does the work so many times, and `extra_percent` of them once more, evenly spread.
fn repeat(workload: &mut dyn Workload, operations: u64, extra_percent: u64) {
    let mut owed = 0;
    for _ in 0..operations {
        workload.operate();
        owed += extra_percent;
        if owed >= 100 {
            owed -= 100;
            workload.operate();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(path: &str, operations: u64, extra_percent: u64) -> serde_json::Value {
        let args = PathArgs { path: path.to_owned(), operations, extra_percent };
        count(&args).unwrap()["per_operation"].clone()
    }

    struct Steps(u64);

    impl Workload for Steps {
        fn operate(&mut self) {
            self.0 += 1;
        }
    }

    #[test]
    fn extra_work_is_as_much_as_was_asked_for() {
        for (operations, percent, expected) in [(100, 0, 100), (100, 10, 110), (30, 10, 33), (10, 100, 20)] {
            let mut steps = Steps(0);
            repeat(&mut steps, operations, percent);
            assert_eq!(steps.0, expected);
        }
    }

    #[test]
    fn every_path_works_under_a_name_of_its_own() {
        let mut names: Vec<&str> = paths::ALL.iter().map(|entry| entry.name).collect();
        for name in &names {
            let args = PathArgs { path: (*name).to_owned(), operations: 3, extra_percent: 0 };
            assert!(time(&args).unwrap()["cpu_ns"].as_u64().unwrap() > 0, "{name}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), paths::ALL.len());
    }

    /// What a path counts by itself follows from its work alone. Allocations are counted for the whole process, which the
    /// other tests share; the gate's self-check looks at them.
    #[test]
    fn twice_the_work_counts_twice() {
        let mut seen = 0;
        for entry in paths::ALL {
            let (once, twice) = (counted(entry.name, 10, 0), counted(entry.name, 10, 100));
            for (figure, once) in once.as_object().unwrap() {
                if figure.starts_with("alloc") {
                    continue;
                }
                seen += 1;
                let (once, twice) = (once.as_f64().unwrap(), twice[figure].as_f64().unwrap());
                assert!(once > 0.0, "{}: {figure} is never counted", entry.name);
                assert!((twice / once - 2.0).abs() < 0.02, "{}: {figure} {once} became {twice}", entry.name);
            }
        }
        assert!(seen >= 4, "only {seen} figures are counted by paths");
    }

    #[test]
    fn an_unknown_path_is_named() {
        let error = entry("handler/none").err().unwrap();
        assert_eq!(error.to_string(), "there is no path \"handler/none\"; `dunlin-paths list` names them");
    }
}
