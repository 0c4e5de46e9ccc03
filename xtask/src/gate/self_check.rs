//! A gate that cannot fail is no gate: the same program on both sides must pass, and a copy that does a tenth more in one path
//! must fail and be named.

use std::process::ExitCode;

use anyhow::{Result, bail};

use super::{
    Args, EXIT_UNDECIDED, Layer,
    counted::Counter,
    decide::{self, Verdict},
    interrupt::Interrupts,
    program::{Path, Program, common},
    record::{Record, Recorded, Rounds},
    report::{Finding, Report},
    sides::build_head,
    timed::{self, PAIRS, ROUNDS_MAX},
};

/// How much more the copy does, in per cent.
const EXTRA_PERCENT: u32 = 10;

/// How far the measured extra of a counted figure may be from that: operations that do not divide evenly, and what differs
/// from run to run.
const EXTRA_TOLERANCE: f64 = 0.02;

pub(super) fn run(args: &Args, counter: &Counter, interrupts: &Interrupts) -> Result<ExitCode> {
    let (program, name) = build_head()?;
    let (paths, _) = common(&program, &program, args.only.as_deref())?;
    let mut record = Record::new(&name);
    if !args.without.contains(&Layer::Counted) {
        record.counted = Some(counted_rounds(&program, &paths, counter, args.rounds, interrupts)?);
    }
    if !args.without.contains(&Layer::Time) {
        record.time = Some(match args.pairs {
            Some(pairs) => resampled(&program, &paths, pairs, args.rounds, interrupts)?,
            None => time_rounds(&program, &paths, args.rounds, interrupts)?,
        });
    }
    for line in counter.left_out() {
        println!("{line}");
    }
    if let Some(file) = &args.record {
        record.write(file)?;
    }
    record.print();
    if !record.is_right() {
        bail!("the gate is not to be trusted here: the lines above say which verdicts were wrong");
    }
    Ok(if counter.lacks_a_tool() { ExitCode::from(EXIT_UNDECIDED) } else { ExitCode::SUCCESS })
}

/// The path that does more in this round: each in its turn.
fn slowed(paths: &[Path], round: u32) -> &Path {
    &paths[round as usize % paths.len()]
}

fn counted_rounds(
    program: &Program,
    paths: &[Path],
    counter: &Counter,
    rounds: u32,
    interrupts: &Interrupts,
) -> Result<Rounds> {
    let mut outcome = Rounds::default();
    for round in 0..rounds {
        let same = counter.compare(program, program, paths, interrupts)?;
        outcome.same(&failed_paths(&same));
        // On all other paths the copy is the same program, which has just been counted twice.
        let path = slowed(paths, round);
        let copy = program.with_extra(&path.name, EXTRA_PERCENT);
        let mut slower = counter.compare(program, &copy, std::slice::from_ref(path), interrupts)?;
        for finding in &slower {
            check_extra(finding)?;
        }
        slower.extend(same.into_iter().filter(|finding| finding.path != path.name));
        outcome.slower(&path.name, &failed_paths(&slower));
    }
    Ok(outcome)
}

/// The extra work is there: otherwise its verdict says nothing.
fn check_extra(finding: &Finding) -> Result<()> {
    let expected = f64::from(EXTRA_PERCENT) / 100.0;
    if (finding.change - expected).abs() > EXTRA_TOLERANCE {
        bail!(
            "{}: {EXTRA_PERCENT} % more work made {:+.1} % more {}; the path does not repeat its work evenly",
            finding.path,
            100.0 * finding.change,
            finding.figure
        );
    }
    Ok(())
}

/// Whole runs of the layer, as the gate makes them.
fn time_rounds(program: &Program, paths: &[Path], rounds: u32, interrupts: &Interrupts) -> Result<Rounds> {
    let mut outcome = Rounds::default();
    for round in 0..rounds {
        let same = timed::compare(program, program, paths, interrupts)?;
        outcome.same(&failed_paths(&same));
        let path = slowed(paths, round);
        let copy = program.with_extra(&path.name, EXTRA_PERCENT);
        outcome.slower(&path.name, &failed_paths(&timed::compare(program, &copy, paths, interrupts)?));
    }
    Ok(outcome)
}

/// Many verdicts from one set of pairs: each draws as many pairs as a run of the gate would measure.
fn resampled(
    program: &Program,
    paths: &[Path],
    count: u32,
    rounds: u32,
    interrupts: &Interrupts,
) -> Result<Rounds> {
    let all: Vec<usize> = (0..paths.len()).collect();
    let mut same = timed::calibrate(program, paths)?;
    let mut slower = same.clone();
    for done in 0..count {
        eprintln!("  pair {} of {count}", done + 1);
        timed::measure(program, program, paths, &all, 1, &mut same, interrupts)?;
        for index in &all {
            let copy = program.with_extra(&paths[*index].name, EXTRA_PERCENT);
            timed::measure(program, &copy, paths, &[*index], 1, &mut slower, interrupts)?;
        }
    }
    let mut random = fastrand::Rng::with_seed(1);
    let spread = |pairs: &timed::Pairs| (pairs.cpu.spread() * 10_000.0).round() / 100.0;
    let spread_percent = paths.iter().zip(&same).map(|(path, pairs)| (path.name.clone(), spread(pairs)));
    let recorded = paths
        .iter()
        .zip(same.iter().zip(&slower))
        .map(|(path, (same, slower))| (path.name.clone(), Recorded::of(&same.cpu.logs, &slower.cpu.logs)));
    let mut outcome = Rounds {
        pairs: Some(count),
        spread_percent: spread_percent.collect(),
        recorded: recorded.collect(),
        ..Rounds::default()
    };
    for round in 0..rounds {
        let mut draw = |of: &[timed::Pairs]| -> Vec<Vec<f64>> {
            let size = (PAIRS * ROUNDS_MAX).min(count as usize);
            of.iter().map(|pairs| random.choose_multiple(pairs.cpu.logs.iter().copied(), size)).collect()
        };
        let drawn = draw(&same);
        outcome.same(&failed_of(&drawn, paths));
        let index = round as usize % paths.len();
        let mut copy = drawn;
        copy[index] = draw(&slower[index..=index]).swap_remove(0);
        outcome.slower(&paths[index].name, &failed_of(&copy, paths));
    }
    Ok(outcome)
}

/// The verdicts of a run that measures as long as something is undecided.
fn failed_of(drawn: &[Vec<f64>], paths: &[Path]) -> Vec<String> {
    let mut taken = vec![PAIRS; drawn.len()];
    for _ in 1..ROUNDS_MAX {
        let verdicts = decide::timed(&first(drawn, &taken), decide::CPU_MAX);
        for (taken, slowdown) in taken.iter_mut().zip(verdicts) {
            if slowdown.verdict == Verdict::Undecided {
                *taken += PAIRS;
            }
        }
    }
    let verdicts = decide::timed(&first(drawn, &taken), decide::CPU_MAX);
    let failed = verdicts.iter().zip(paths).filter(|(slowdown, _)| slowdown.verdict == Verdict::Fail);
    failed.map(|(_, path)| path.name.clone()).collect()
}

fn first<'a>(drawn: &'a [Vec<f64>], taken: &[usize]) -> Vec<&'a [f64]> {
    drawn.iter().zip(taken).map(|(pairs, taken)| &pairs[..(*taken).min(pairs.len())]).collect()
}

fn failed_paths(findings: &[Finding]) -> Vec<String> {
    let report = Report { findings: findings.to_vec(), ..Report::default() };
    let mut names: Vec<String> = report.failed().into_iter().map(|finding| finding.path.clone()).collect();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(names: &[&str]) -> Vec<Path> {
        let path = |name: &&str| Path { name: (*name).to_owned(), count_operations: 1, trace_operations: 1 };
        names.iter().map(path).collect()
    }

    #[test]
    fn drawn_pairs_are_judged_as_measured_ones() {
        let paths = paths(&["a", "b"]);
        let around = |log: f64| (0..60).map(|n| log + 0.001 * f64::from(n % 11 - 5)).collect::<Vec<f64>>();
        assert_eq!(failed_of(&[around(0.0), around(0.0)], &paths), Vec::<String>::new());
        assert_eq!(failed_of(&[around(0.0), around(0.095)], &paths), ["b"]);
    }

    #[test]
    fn every_path_has_its_turn() {
        let paths = paths(&["a", "b", "c"]);
        let names: Vec<&str> = (0..4).map(|round| slowed(&paths, round).name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c", "a"]);
    }
}
