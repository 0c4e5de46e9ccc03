//! The layer that sees what counting cannot: time, of both sides in turns.

use anyhow::Result;
use dunlin_stats::median;

use super::{
    counted::typed,
    decide::{self, Slowdown, Verdict},
    interrupt::Interrupts,
    program::{Path, Program, Times},
    report::Finding,
    worker::Worker,
};
use crate::cpu;

/// Pairs before the first verdict: each is a new process of either side, on one core, since where a program's memory comes to lie
/// makes a per cent or two, and two cores of a shared machine differ by ten times that.
pub(super) const PAIRS: usize = 40;

/// A pair's turns, each A B B A, which cancels what changes evenly meanwhile. Their median is the pair's: a neighbour's burst hits
/// one or two of them.
const QUADS: usize = 5;

/// How often as many pairs more are measured of what is not decided.
pub(super) const ROUNDS_MAX: usize = 3;

/// Processor time of one block: a thousand times longer than asking for it, short against what the neighbours do.
const BLOCK_NS: u64 = 10_000_000;

/// Blocks have a multiple of so many operations, so that a tenth more is the same in each.
const OPERATIONS_STEP: u64 = 10;

/// How many blocks the command has that shows a figure again: about a second.
const SHOWN_BLOCKS: u64 = 100;

const OPERATIONS_MAX: u64 = 10_000_000;

/// The pairs of one path.
#[derive(Clone, Default, Debug)]
pub(super) struct Pairs {
    /// Operations of a block.
    operations: u64,
    pub(super) cpu: Series,
    wall: Series,
}

/// One kind of time of some pairs.
#[derive(Clone, Default, Debug)]
pub(super) struct Series {
    /// Log ratios, head over base.
    pub(super) logs: Vec<f64>,
    /// Nanoseconds of one operation on the base's side, and on the head's: for display.
    ns: [f64; 2],
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
        let mut worker = Worker::start(program, &path.name)?;
        let mut operations = OPERATIONS_STEP;
        loop {
            let Times { cpu_ns, .. } = worker.block(operations)?;
            if cpu_ns >= BLOCK_NS / 2 || operations >= OPERATIONS_MAX {
                let steps =
                    operations as f64 / OPERATIONS_STEP as f64 * BLOCK_NS as f64 / cpu_ns.max(1) as f64;
                return Ok(Pairs { operations: steps.ceil() as u64 * OPERATIONS_STEP, ..Pairs::default() });
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
    let cores = cpu::all()?;
    for _ in 0..count {
        for &index in indices {
            interrupts.check()?;
            let (name, pairs) = (&paths[index].name, &mut pairs[index]);
            let core = cores[pairs.cpu.logs.len() % cores.len()];
            let start = || Ok([Worker::start(base, name)?, Worker::start(head, name)?]);
            let [mut base, mut head] = cpu::on(core, start)?;
            let mut quads = Vec::with_capacity(QUADS);
            for _ in 0..QUADS {
                let a1 = base.block(pairs.operations)?;
                let (b1, b2) = (head.block(pairs.operations)?, head.block(pairs.operations)?);
                quads.push([[a1, base.block(pairs.operations)?], [b1, b2]]);
            }
            pairs.add(&quads);
        }
    }
    Ok(())
}

impl Pairs {
    fn add(&mut self, quads: &[Quad]) {
        self.cpu.add(quads, self.operations, |times| times.cpu_ns);
        self.wall.add(quads, self.operations, |times| times.wall_ns);
    }
}

/// Two blocks of the base, and two of the head.
type Quad = [[Times; 2]; 2];

impl Series {
    /// The standard deviation of the log ratios.
    pub(super) fn spread(&self) -> f64 {
        let count = self.logs.len() as f64;
        let mean = self.logs.iter().sum::<f64>() / count;
        (self.logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt()
    }

    fn add(&mut self, quads: &[Quad], operations: u64, time: fn(&Times) -> u64) {
        let each =
            |[first, second]: &[Times; 2]| (time(first) + time(second)) as f64 / (2 * operations) as f64;
        let sides: Vec<[f64; 2]> = quads.iter().map(|quad| quad.each_ref().map(each)).collect();
        let median = |of: &dyn Fn(&[f64; 2]) -> f64| {
            median(&sides.iter().map(of).collect::<Vec<_>>()).expect("a pair has quads")
        };
        self.logs.push(median(&|[base, head]| (head / base).ln()));
        let pairs = self.logs.len() as f64;
        for (side, ns) in self.ns.iter_mut().enumerate() {
            *ns += (median(&|sides| sides[side]) - *ns) / pairs;
        }
    }
}

fn decide_all(pairs: &[Pairs]) -> Vec<Slowdown> {
    let cpu: Vec<&[f64]> = pairs.iter().map(|pairs| pairs.cpu.logs.as_slice()).collect();
    decide::timed(&cpu, decide::CPU_MAX)
}

fn findings(base: &Program, head: &Program, paths: &[Path], pairs: &[Pairs]) -> Vec<Finding> {
    let wall: Vec<&[f64]> = pairs.iter().map(|pairs| pairs.wall.logs.as_slice()).collect();
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
        commands: [base, head]
            .map(|side| typed(&side.command("run", &path.name, SHOWN_BLOCKS * pairs.operations))),
    };
    let mut findings = Vec::new();
    for (index, slowdown) in decide_all(pairs).into_iter().enumerate() {
        let (path, pairs) = (&paths[index], &pairs[index]);
        findings.push(finding("cpu ns", path, pairs, pairs.cpu.ns, slowdown));
        let mut wall = wall[index];
        // Only a great slowdown says anything, and its absence nothing.
        if wall.verdict != Verdict::Fail {
            wall.verdict = Verdict::Shown;
        }
        findings.push(finding("wall ns", path, pairs, pairs.wall.ns, wall));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_the_median_of_its_quads_and_means_are_over_pairs() {
        let times = |cpu_ns| Times { cpu_ns, wall_ns: 10 * cpu_ns };
        let quad = |base: [u64; 2], head: [u64; 2]| [base.map(times), head.map(times)];
        let mut pairs = Pairs { operations: 10, ..Pairs::default() };
        let burst = quad([100, 900], [100, 100]);
        pairs.add(&[quad([90, 110], [120, 100]), burst, quad([100, 100], [110, 110])]);
        pairs.add(&[quad([100, 100], [100, 100])]);
        assert!((pairs.cpu.logs[0] - 1.1_f64.ln()).abs() < 1e-12);
        assert_eq!(pairs.cpu.logs[1], 0.0);
        let spread = 1.1_f64.ln() / 2.0_f64.sqrt();
        assert!((pairs.cpu.spread() - spread).abs() < 1e-12);
        assert_eq!(pairs.cpu.ns, [10.0, 10.5]);
        assert_eq!(pairs.wall.ns, [100.0, 105.0]);
    }
}
