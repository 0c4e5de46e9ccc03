//! `cargo xtask gate`: whether the working tree is slower than a revision, decided by what holds on a noisy machine.
//!
//! Two layers. **Counted**: instructions, allocations, system calls, posts, store calls and bytes of one operation, which hardly
//! differ from run to run. **Time**: processor time of both sides in turns, in the order A B B A, and a test of the mean of
//! their log ratios. No stored figure decides anything.

mod counted;
mod decide;
mod program;
mod record;
mod report;
mod self_check;
mod sides;
mod timed;
mod worker;

use std::{fmt, path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::interrupt;

use self::{
    counted::Counter,
    decide::Verdict,
    interrupt::Interrupts,
    program::Program,
    report::Report,
    sides::{Base, Sides},
};

/// What `gate` takes.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The revision to compare the working tree with; `auto` is where the branch left the main one, else the commit before.
    #[arg(long, value_name = "REV", required_unless_present = "self_check")]
    base: Option<String>,
    /// Compare this program with itself, and with a copy of it that does a tenth more in one path.
    #[arg(long)]
    self_check: bool,
    /// Compare only paths whose name contains this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Leave out a layer, or a part of one.
    #[arg(long, value_name = "LAYER", value_enum, value_delimiter = ',')]
    without: Vec<Layer>,
    /// With --self-check: how many verdicts of each kind.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000), requires = "self_check")]
    rounds: u32,
    /// With --self-check: time so many pairs of each kind once, and resample the verdicts from them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(40..=10_000), requires = "self_check")]
    pairs: Option<u32>,
    /// With --self-check: write what came out here, for docs/performance.md.
    #[arg(long, value_name = "FILE", requires = "self_check")]
    record: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
A path is a hot path of one crate, such as handler/message; benches/paths has them. Counted figures fail above +2 %. \
Processor time fails if the lower 95 % bound of the slowdown is above 5 %, passes if the upper bound is below, and is \
measured up to three times as long in between; wall time fails above 25 %. All bounds are corrected for the number of \
paths (Holm). A commit whose message ends with the trailer `Accepts-Slower: handler/message` says that this path may \
be slower: it is shown, and does not fail.\n\n\
Instructions need valgrind, system calls strace (apt-get install valgrind strace). Without them the gate says what it \
left out and ends with 2, unless --without says that this is meant.\n\n\
The base is built in a worktree below the target folder, which is removed at the end; the target folders of both sides \
stay, so that the next run builds less.\n\n\
Exit codes: 0 nothing became slower, 1 something did, 2 could not decide, 64 wrong command line or revision, 130 \
interrupted.";

/// What can be left out.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Layer {
    /// Everything that is counted.
    Counted,
    /// Instructions, which need valgrind.
    Instructions,
    /// System calls, which need strace.
    Syscalls,
    /// Processor time and wall time.
    Time,
}

const EXIT_UNDECIDED: u8 = 2;
const EXIT_INPUT: u8 = 64;
const EXIT_INTERRUPTED: u8 = 130;

/// A revision or a path that cannot be compared: the caller's mistake, in a sentence.
#[derive(Debug)]
struct BadInput(String);

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let interrupts = Interrupts::listen()?;
    match compare(args, &interrupts) {
        Ok(code) => Ok(code),
        Err(_) if interrupts.came() => {
            eprintln!("interrupted; the worktree is removed");
            Ok(ExitCode::from(EXIT_INTERRUPTED))
        }
        Err(error) if error.is::<BadInput>() => {
            eprintln!("error: {error:#}");
            Ok(ExitCode::from(EXIT_INPUT))
        }
        Err(error) => Err(error),
    }
}

fn compare(args: &Args, interrupts: &Interrupts) -> Result<ExitCode> {
    let counter = Counter::find(&args.without);
    if args.self_check {
        return self_check::run(args, &counter, interrupts);
    }
    let wanted = args.base.as_deref().unwrap_or("auto");
    let Base::Revision(base) = Base::find(wanted)? else {
        println!("there is no earlier revision to compare with; the gate checks itself instead");
        return self_check::run(args, &counter, interrupts);
    };
    let Some(sides) = Sides::build(&base, wanted == "auto", args.only.as_deref(), interrupts)? else {
        println!("{} has no paths to compare with; the gate checks itself instead", base.short());
        return self_check::run(args, &counter, interrupts);
    };
    if !args.without.contains(&Layer::Time) && !sides.base.has_blocks()? {
        bail!(BadInput(format!(
            "{} is older than how times are compared; compare with a later revision, or --without time",
            sides.base_name
        )));
    }
    let mut report = measure(&sides.base, &sides.head, args, &counter, interrupts)?;
    report.accept(&sides.accepted);
    report.print(&format!("{} against {}", sides.head_name, sides.base_name));
    Ok(report.exit_code())
}

/// Compares two programs on every path that both have.
fn measure(
    base: &Program,
    head: &Program,
    args: &Args,
    counter: &Counter,
    interrupts: &Interrupts,
) -> Result<Report> {
    let (paths, mut notes) = program::common(base, head, args.only.as_deref())?;
    let mut findings = counter.compare(base, head, &paths, interrupts)?;
    if !args.without.contains(&Layer::Time) {
        findings.extend(timed::compare(base, head, &paths, interrupts)?);
    }
    notes.extend(counter.left_out().map(str::to_owned));
    Ok(Report { findings, notes, incomplete: counter.lacks_a_tool() })
}

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadInput {}

impl Verdict {
    /// The exit code of a run whose worst verdict this is.
    fn exit_code(self) -> ExitCode {
        match self {
            Verdict::Pass | Verdict::Shown => ExitCode::SUCCESS,
            Verdict::Undecided => ExitCode::from(EXIT_UNDECIDED),
            Verdict::Fail => ExitCode::FAILURE,
        }
    }
}
