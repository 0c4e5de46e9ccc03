//! The layer that holds on any machine: what is counted, not timed.

use std::{collections::BTreeMap, fs, process::Command};

use anyhow::{Context, Result};
use serde::Serialize;

use super::{
    Layer, decide,
    interrupt::Interrupts,
    program::{Path, Program, is_there, output, scratch},
    report::Finding,
};

/// What can be counted here.
pub(super) struct Counter {
    counts: bool,
    instructions: Tool,
    syscalls: Tool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tool {
    Used,
    Missing,
    NotWanted,
}

impl Counter {
    pub(super) fn find(without: &[Layer]) -> Self {
        let counts = !without.contains(&Layer::Counted);
        let tool = |layer, name| match () {
            () if !counts || without.contains(&layer) => Tool::NotWanted,
            () if is_there(name) => Tool::Used,
            () => Tool::Missing,
        };
        Counter {
            counts,
            instructions: tool(Layer::Instructions, "valgrind"),
            syscalls: tool(Layer::Syscalls, "strace"),
        }
    }

    /// Whether something that was not given up cannot be counted here.
    pub(super) fn lacks_a_tool(&self) -> bool {
        [self.instructions, self.syscalls].contains(&Tool::Missing)
    }

    /// A line for each part that is left out.
    pub(super) fn left_out(&self) -> impl Iterator<Item = &'static str> {
        let line = |tool, missing, not_wanted| match tool {
            Tool::Used => None,
            Tool::Missing => Some(missing),
            Tool::NotWanted => Some(not_wanted),
        };
        [
            line(
                self.instructions,
                "left out: instructions, since there is no valgrind: apt-get install valgrind, or --without instructions",
                "left out: instructions",
            ),
            line(
                self.syscalls,
                "left out: system calls, since there is no strace: apt-get install strace, or --without syscalls",
                "left out: system calls",
            ),
            (!self.counts).then_some("left out: everything that is counted"),
        ]
        .into_iter()
        .flatten()
    }

    /// Counts on both sides, path by path.
    pub(super) fn compare(
        &self,
        base: &Program,
        head: &Program,
        paths: &[Path],
        interrupts: &Interrupts,
    ) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        if !self.counts {
            return Ok(findings);
        }
        for path in paths {
            interrupts.check()?;
            eprintln!("  counting {}", path.name);
            let (of_base, of_head) = (self.count(base, path)?, self.count(head, path)?);
            for (figure, head_value) in of_head.0 {
                // One that only the head has is new, and nothing to compare.
                let Some(base_value) = of_base.0.get(figure.as_str()).copied() else { continue };
                findings.push(Finding {
                    path: path.name.clone(),
                    commands: [base, head].map(|program| reproduce(program, path, &figure)),
                    figure,
                    base: base_value,
                    head: head_value,
                    change: decide::change(base_value, head_value),
                    interval: None,
                    p: None,
                    verdict: decide::counted(base_value, head_value),
                });
            }
        }
        Ok(findings)
    }

    /// All figures of one operation.
    pub(super) fn count(&self, program: &Program, path: &Path) -> Result<Figures> {
        let mut figures = program.count(&path.name, path.count_operations)?;
        if self.instructions == Tool::Used {
            figures.insert("instructions".to_owned(), difference(path, |n| instructions(program, path, n))?);
        }
        // Only a path with sockets makes any.
        if self.syscalls == Tool::Used && figures.contains_key("wire_bytes") {
            figures.insert("syscalls".to_owned(), difference(path, |n| syscalls(program, path, n))?);
        }
        Ok(Figures(figures))
    }
}

/// Figures of one operation, by name.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Figures(pub(super) BTreeMap<String, f64>);

/// What one operation costs, from a run of some operations and one of twice as many: the set-up of both is the same.
fn difference(path: &Path, count: impl Fn(u64) -> Result<u64>) -> Result<f64> {
    let operations = path.trace_operations;
    let (once, twice) = (count(operations)?, count(2 * operations)?);
    Ok((twice as f64 - once as f64) / operations as f64)
}

fn instructions(program: &Program, path: &Path, operations: u64) -> Result<u64> {
    let out = scratch(program, "callgrind.out");
    output(&mut callgrind(program, path, operations, &out.to_string_lossy()))?;
    let text = fs::read_to_string(&out).with_context(|| format!("cannot read {}", out.display()))?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
    total.context("callgrind wrote no total of instructions")
}

fn callgrind(program: &Program, path: &Path, operations: u64, out: &str) -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", &format!("--callgrind-out-file={out}")]);
    append(&mut command, &program.command("repeat", &path.name, operations));
    command
}

fn syscalls(program: &Program, path: &Path, operations: u64) -> Result<u64> {
    let out = scratch(program, "strace.out");
    output(&mut strace(program, path, operations, &out.to_string_lossy()))?;
    let text = fs::read_to_string(&out).with_context(|| format!("cannot read {}", out.display()))?;
    syscalls_in(&text).context("strace wrote no total of calls")
}

fn strace(program: &Program, path: &Path, operations: u64, out: &str) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-o", out]);
    append(&mut command, &program.command("repeat", &path.name, operations));
    command
}

/// `100.00    0.006845           0      7056         4 total`: the number of errors is left out if there are none.
fn syscalls_in(table: &str) -> Option<u64> {
    let total = table.lines().rev().find(|line| line.trim_end().ends_with(" total"))?;
    total.split_ascii_whitespace().nth(3)?.parse().ok()
}

fn append(command: &mut Command, inner: &Command) {
    command.arg(inner.get_program()).args(inner.get_args());
}

/// The command that gives this figure again, to be typed.
fn reproduce(program: &Program, path: &Path, figure: &str) -> String {
    let command = match figure {
        "instructions" => callgrind(program, path, path.trace_operations, "/dev/null"),
        "syscalls" => strace(program, path, path.trace_operations, "/dev/stderr"),
        _ => program.command("count", &path.name, path.count_operations),
    };
    typed(&command)
}

/// A command with the whole path of its program.
pub(super) fn typed(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_of_strace_are_found() {
        let with_errors = "% time     seconds  usecs/call     calls    errors syscall\n\
                           100.00    0.006845           0      7056         4 total\n";
        let without = "100.00    0.000010           0        12           total\n";
        assert_eq!(syscalls_in(with_errors), Some(7056));
        assert_eq!(syscalls_in(without), Some(12));
        assert_eq!(syscalls_in("nothing"), None);
    }

    #[test]
    fn the_set_up_is_taken_away() {
        let path = Path { name: "p".to_owned(), count_operations: 1, trace_operations: 50 };
        assert_eq!(difference(&path, |operations| Ok(1_000 + 7 * operations)).unwrap(), 7.0);
    }
}
