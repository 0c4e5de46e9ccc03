//! The layer that sees what counting cannot: time, of both sides in turns.

use anyhow::Result;

use super::{
    counted::typed,
    decide::{self, Slowdown, Verdict},
    interrupt::Interrupts,
    program::{Path, Program, Times},
    report::Finding,
};

/// Pairs before the first verdict. Each is A B B A, which cancels what changes evenly meanwhile.
pub(super) const PAIRS: usize = 20;

/// How often as many pairs more are measured of what is not decided.
pub(super) const ROUNDS_MAX: usize = 3;

/// Processor time of one block: much longer than a tick of the kernel's accounting, short against what the neighbours do.
const BLOCK_NS: u64 = 100_000_000;

/// Operations of a first block, which tells how many make [`BLOCK_NS`].
const FIRST_OPERATIONS: u64 = 16;

const OPERATIONS_MAX: u64 = 10_000_000;

/// Log ratios of the pairs of one path, head over base.
#[derive(Clone, Default, Debug)]
pub(super) struct Pairs {
    pub(super) operations: u64,
    pub(super) cpu: Vec<f64>,
    wall: Vec<f64>,
    /// Nanoseconds of one operation on the base's side, and on the head's: for display.
    cpu_ns: [f64; 2],
    wall_ns: [f64; 2],
}

/// Measures until every path is decided or the last round is over.
pub(super) fn compare(
    base: &Program,
    head: &Program,
    paths: &[Path],
    interrupts: &Interrupts,
) -> Result<Vec<Finding>> {
    let mut pairs = calibrate(base, paths)?;
    let mut open: Vec<usize> = (0..paths.len()).collect();
    for round in 1..=ROUNDS_MAX {
        eprintln!(
            "  timing {} paths, {PAIRS} pairs each (round {round} of at most {ROUNDS_MAX})",
            open.len()
        );
        measure(base, head, paths, &open, PAIRS, &mut pairs, interrupts)?;
        let slowdowns = decide_all(&pairs);
        open = (0..paths.len()).filter(|index| slowdowns[*index].verdict == Verdict::Undecided).collect();
        if open.is_empty() {
            break;
        }
    }
    Ok(findings(base, head, paths, &pairs))
}

/// How many operations make a block of each path.
pub(super) fn calibrate(program: &Program, paths: &[Path]) -> Result<Vec<Pairs>> {
    let operations = |path: &Path| {
        let mut operations = FIRST_OPERATIONS;
        loop {
            let Times { cpu_ns, .. } = program.time(&path.name, operations)?;
            if cpu_ns >= BLOCK_NS / 2 || operations >= OPERATIONS_MAX {
                let wanted = operations as f64 * BLOCK_NS as f64 / cpu_ns.max(1) as f64;
                return Ok(Pairs { operations: wanted.ceil() as u64, ..Pairs::default() });
            }
            // What little there was says little: at most sixteen times more at once.
            operations = (operations * (BLOCK_NS / cpu_ns.max(1)).clamp(2, 16)).min(OPERATIONS_MAX);
        }
    };
    paths.iter().map(operations).collect()
}

/// Adds `count` pairs to each of the paths at `indices`. The paths take turns, so that no moment of the machine hits one alone.
pub(super) fn measure(
    base: &Program,
    head: &Program,
    paths: &[Path],
    indices: &[usize],
    count: usize,
    pairs: &mut [Pairs],
    interrupts: &Interrupts,
) -> Result<()> {
    for _ in 0..count {
        for &index in indices {
            interrupts.check()?;
            let (name, pairs) = (&paths[index].name, &mut pairs[index]);
            let block = |program: &Program| program.time(name, pairs.operations);
            let (a1, b1, b2, a2) = (block(base)?, block(head)?, block(head)?, block(base)?);
            pairs.add([a1, a2], [b1, b2]);
        }
    }
    Ok(())
}

impl Pairs {
    fn add(&mut self, base: [Times; 2], head: [Times; 2]) {
        let cpu = [base, head].map(|[first, second]| (first.cpu_ns + second.cpu_ns) as f64);
        let wall = [base, head].map(|[first, second]| (first.wall_ns + second.wall_ns) as f64);
        self.cpu.push((cpu[1] / cpu[0]).ln());
        self.wall.push((wall[1] / wall[0]).ln());
        let (seen, operations) = (self.cpu.len() as f64, 2.0 * self.operations as f64);
        for side in 0..2 {
            self.cpu_ns[side] += (cpu[side] / operations - self.cpu_ns[side]) / seen;
            self.wall_ns[side] += (wall[side] / operations - self.wall_ns[side]) / seen;
        }
    }
}

fn decide_all(pairs: &[Pairs]) -> Vec<Slowdown> {
    let cpu: Vec<&[f64]> = pairs.iter().map(|pairs| pairs.cpu.as_slice()).collect();
    decide::timed(&cpu, decide::CPU_MAX)
}

fn findings(base: &Program, head: &Program, paths: &[Path], pairs: &[Pairs]) -> Vec<Finding> {
    let wall: Vec<&[f64]> = pairs.iter().map(|pairs| pairs.wall.as_slice()).collect();
    let wall = decide::timed(&wall, decide::WALL_MAX);
    let finding = |figure: &str, path: &Path, pairs: &Pairs, ns: [f64; 2], slowdown: Slowdown| Finding {
        path: path.name.clone(),
        figure: figure.to_owned(),
        base: ns[0],
        head: ns[1],
        change: slowdown.interval.mean,
        interval: Some((slowdown.interval.lower, slowdown.interval.upper)),
        p: Some(slowdown.p),
        verdict: slowdown.verdict,
        commands: [base, head].map(|side| typed(&side.command("run", &path.name, pairs.operations))),
    };
    let mut findings = Vec::new();
    for (index, slowdown) in decide_all(pairs).into_iter().enumerate() {
        let (path, pairs) = (&paths[index], &pairs[index]);
        findings.push(finding("cpu ns", path, pairs, pairs.cpu_ns, slowdown));
        let mut wall = wall[index];
        // Only a great slowdown says anything, and its absence nothing.
        if wall.verdict != Verdict::Fail {
            wall.verdict = Verdict::Shown;
        }
        findings.push(finding("wall ns", path, pairs, pairs.wall_ns, wall));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_log_ratios_and_means() {
        let times = |cpu_ns| Times { cpu_ns, wall_ns: 10 * cpu_ns };
        let mut pairs = Pairs { operations: 10, ..Pairs::default() };
        pairs.add([times(90), times(110)], [times(120), times(100)]);
        pairs.add([times(100), times(100)], [times(100), times(100)]);
        assert!((pairs.cpu[0] - 1.1_f64.ln()).abs() < 1e-12);
        assert_eq!(pairs.cpu[1], 0.0);
        assert_eq!(pairs.cpu_ns, [10.0, 10.5]);
        assert_eq!(pairs.wall_ns, [100.0, 105.0]);
    }
}
