//! The hot paths that `cargo xtask gate` compares between two revisions, as one small program: the gate builds it from both,
//! runs it many times, and decides. It measures and prints; it does not compare.
//!
//! ```sh
//! dunlin-paths list
//! dunlin-paths count handler/message --operations 1000
//! dunlin-paths run gateway/echo --operations 20000
//! ```
//!
//! Each prints lines of JSON. `count` gives what is the same on every machine: allocations, and what a path counts by itself
//! (posts, calls of a store, bytes on the wire). `run` gives processor time and wall time; `blocks` does so again and again, whenever
//! it is told to, so that two revisions can take turns of a few milliseconds. `repeat` only does the work: the gate
//! runs it under callgrind and strace with two numbers of operations, whose difference has no set-up in it.
//!
//! What is printed here is read by the gate of another revision: names and meanings of fields stay.

mod allocations;
mod clock;
mod path;
mod paths;
mod runtime;

use std::{
    io::{BufRead, Write as _},
    process::ExitCode,
};

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

/// Of what is printed: 2 has `blocks`.
const VERSION: u32 = 2;

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
    /// Takes the times of as many operations as each line of standard input says, until its end
    Blocks(WorkArgs),
    /// Does the work and measures nothing, for tools that look at the process from outside
    Repeat(PathArgs),
}

#[derive(clap::Args)]
struct PathArgs {
    #[command(flatten)]
    work: WorkArgs,
    /// How often the path's work is done
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=OPERATIONS_MAX))]
    operations: u64,
}

#[derive(clap::Args)]
struct WorkArgs {
    /// Such as `handler/message`
    path: String,
    /// Do this much more work and do not say so: how the gate checks that it notices
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=100))]
    extra_percent: u64,
}

/// Of one request.
const OPERATIONS_MAX: u64 = 100_000_000;

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
            json!({ "version": VERSION, "paths": paths::ALL.iter().map(entry).collect::<Vec<_>>() })
        }
        Command::Count(args) => count(&args)?,
        Command::Run(args) => {
            let times = Work::start(&args.work)?.time(args.operations);
            json!({ "path": args.work.path, "operations": args.operations, "cpu_ns": times.cpu_ns, "wall_ns": times.wall_ns })
        }
        Command::Blocks(args) => return blocks(&args, std::io::stdin().lock()),
        // No clock: rustix looks for the kernel's own page of them, which a process below valgrind does not have.
        Command::Repeat(args) => {
            Work::start(&args.work)?.repeat(args.operations);
            json!({ "path": args.work.path, "operations": args.operations })
        }
    };
    say(&line)
}

fn say(line: &serde_json::Value) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context("nobody reads the result")
}

fn entry(name: &str) -> Result<&'static Entry> {
    paths::ALL
        .iter()
        .find(|entry| entry.name == name)
        .with_context(|| format!("there is no path {name:?}; `dunlin-paths list` names them"))
}

fn count(args: &PathArgs) -> Result<serde_json::Value> {
    let mut work = Work::start(&args.work)?;
    let (tallies, allocations) = (work.workload.tallies(), Allocations::now());
    work.repeat(args.operations);
    let allocations = Allocations::now() - allocations;
    let per_operation = |total: u64| total as f64 / args.operations as f64;
    let mut figures = serde_json::Map::new();
    figures.insert("allocations".to_owned(), per_operation(allocations.count).into());
    figures.insert("allocated_bytes".to_owned(), per_operation(allocations.bytes).into());
    for ((name, after), (_, before)) in work.workload.tallies().into_iter().zip(tallies) {
        figures.insert(name.to_owned(), per_operation(after - before).into());
    }
    Ok(json!({ "path": args.work.path, "operations": args.operations, "per_operation": figures }))
}

/// A line of times for each line of `requests`.
fn blocks(args: &WorkArgs, requests: impl BufRead) -> Result<()> {
    let mut work = Work::start(args)?;
    for request in requests.lines() {
        let request = request.context("standard input cannot be read")?;
        let operations = request.parse().ok().filter(|operations| (1..=OPERATIONS_MAX).contains(operations));
        let operations = operations
            .with_context(|| format!("{request:?} is no number of operations from 1 to {OPERATIONS_MAX}"))?;
        let times = work.time(operations);
        say(&json!({ "cpu_ns": times.cpu_ns, "wall_ns": times.wall_ns }))?;
    }
    Ok(())
}

/// A path that is warm.
struct Work {
    workload: Box<dyn Workload>,
    extra_percent: u64,
    /// Hundredths of an operation that the extra work has not done yet.
    owed: u64,
}

impl Work {
    fn start(args: &WorkArgs) -> Result<Self> {
        let workload = (entry(&args.path)?.make)();
        let mut work = Work { workload, extra_percent: 0, owed: 0 };
        work.repeat(WARM_UP_OPERATIONS);
        Ok(Work { extra_percent: args.extra_percent, ..work })
    }

    fn time(&mut self, operations: u64) -> Times {
        let before = Times::now();
        self.repeat(operations);
        Times::now() - before
    }

    /// Does the work so many times, and `extra_percent` of them once more, evenly spread.
    fn repeat(&mut self, operations: u64) {
        for _ in 0..operations {
            self.workload.operate();
            self.owed += self.extra_percent;
            if self.owed >= 100 {
                self.owed -= 100;
                self.workload.operate();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use super::*;

    fn counted(path: &str, operations: u64, extra_percent: u64) -> serde_json::Value {
        let args = PathArgs { work: WorkArgs { path: path.to_owned(), extra_percent }, operations };
        count(&args).unwrap()["per_operation"].clone()
    }

    struct Steps(Rc<Cell<u64>>);

    impl Workload for Steps {
        fn operate(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn extra_work_is_as_much_as_was_asked_for() {
        for (blocks, extra_percent, expected) in
            [([50, 50], 0, 100), ([50, 50], 10, 110), ([3, 27], 10, 33), ([5, 5], 100, 20)]
        {
            let steps = Rc::new(Cell::new(0));
            let mut work = Work { workload: Box::new(Steps(Rc::clone(&steps))), extra_percent, owed: 0 };
            for operations in blocks {
                work.repeat(operations);
            }
            assert_eq!(steps.get(), expected);
        }
    }

    #[test]
    fn every_path_works_under_a_name_of_its_own() {
        let mut names: Vec<&str> = paths::ALL.iter().map(|entry| entry.name).collect();
        for name in &names {
            let args = WorkArgs { path: (*name).to_owned(), extra_percent: 0 };
            assert!(Work::start(&args).unwrap().time(3).cpu_ns > 0, "{name}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), paths::ALL.len());
        // So that a tenth more is the same in each: how the gate checks itself.
        let operations = paths::ALL.iter().flat_map(|entry| [entry.count_operations, entry.trace_operations]);
        assert!(operations.into_iter().all(|operations| operations.is_multiple_of(10)));
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
    fn blocks_are_asked_for_by_numbers() {
        let args = WorkArgs { path: "events/parse".to_owned(), extra_percent: 0 };
        blocks(&args, &b"3\n5\n"[..]).unwrap();
        for odd in ["0", "many", "100000001", ""] {
            let error = blocks(&args, format!("{odd}\n").as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with(&format!("{odd:?} is no number of operations")), "{error}");
        }
    }

    #[test]
    fn an_unknown_path_is_named() {
        let error = entry("handler/none").err().unwrap();
        assert_eq!(error.to_string(), "there is no path \"handler/none\"; `dunlin-paths list` names them");
    }
}
