//! Subject and reference in ABBA blocks: what drifts through the run, and who else uses the machine, meets both alike.

use std::time::Duration;

use super::{
    Pair, doubling,
    result::{Basis, Defect, PairResult, Ratios, Side},
    statistics::{Ratio, Summary},
    work::{Block, Work},
};

/// How long is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Quads of blocks: subject, reference, reference, subject.
    pub quads: usize,
    /// What a block is scaled to: long enough that the clock's own cost is nothing.
    pub block: Duration,
}

impl Effort {
    /// Intervals of about a per cent.
    pub const FULL: Effort = Effort { quads: 30, block: Duration::from_millis(25) };

    /// Intervals of several per cent, in a fraction of the time.
    pub const QUICK: Effort = Effort { quads: 8, block: Duration::from_millis(6) };
}

/// Iterations of a block at most.
const ITERATIONS_MAX: u64 = 1 << 32;

/// By how much a subject may seem to be faster than its floor: the places at which the linker puts code make a per cent or
/// two.
const FLOOR_TOLERANCE: f64 = 0.03;

impl Pair {
    /// Measures both sides.
    ///
    /// # Panics
    ///
    /// If a side did not do its work.
    pub(super) fn measure(mut self, id: &str, effort: Effort) -> PairResult {
        let iterations = [scale(&mut self.subject, effort.block), scale(&mut self.reference, effort.block)];
        let mut blocks = [Vec::new(), Vec::new()];
        // The first quad warms up and is not counted.
        for quad in 0..=effort.quads {
            let first = self.subject.block(iterations[0]);
            let second = self.reference.block(iterations[1]);
            let third = self.reference.block(iterations[1]);
            let fourth = self.subject.block(iterations[0]);
            if quad > 0 {
                blocks[0].extend([first, fourth]);
                blocks[1].extend([second, third]);
            }
        }
        let ratio = |of: fn(&Block) -> Option<f64>| Some(Ratio::of_logs(&logs(&blocks, of)?));
        let ratios = Ratios {
            cpu: ratio(|block| Some(block.cpu_ns)),
            wall: ratio(|block| Some(block.wall_ns)),
            latency: ratio(|block| block.latency_ns),
        };
        let side =
            |work: &mut Work, n: usize| Side::of(&blocks[n], iterations[n], doubling::of_iterations(work));
        let (subject, reference) = (side(&mut self.subject, 0), side(&mut self.reference, 1));
        let mut result = PairResult {
            id: id.to_owned(),
            basis: self.basis,
            reference_name: self.reference_name,
            reference_kind: self.reference_kind,
            quads: effort.quads,
            ratios,
            subject,
            reference,
            defects: Vec::new(),
        };
        result.defects = defects(&result);
        result
    }
}

/// One logarithm for each quad; nothing if a block does not tell the figure.
fn logs(blocks: &[Vec<Block>; 2], of: fn(&Block) -> Option<f64>) -> Option<Vec<f64>> {
    let quads = blocks[0].chunks_exact(2).zip(blocks[1].chunks_exact(2));
    let ln = |block: &Block| Some(of(block)?.max(f64::MIN_POSITIVE).ln());
    quads
        .map(|(subject, reference)| {
            Some((ln(&subject[0])? + ln(&subject[1])? - ln(&reference[0])? - ln(&reference[1])?) / 2.0)
        })
        .collect()
}

/// Iterations of a block that takes about `block`, by whichever is longer of wall and processor time.
fn scale(work: &mut Work, block: Duration) -> u64 {
    let target_ns = block.as_nanos() as f64;
    let mut iterations = 1;
    loop {
        let took = work.block(iterations);
        let total_ns = took.cpu_ns.max(took.wall_ns) * iterations as f64;
        if total_ns >= target_ns / 2.0 || iterations >= ITERATIONS_MAX {
            let wanted = iterations as f64 * target_ns / total_ns.max(1.0);
            return (wanted as u64).clamp(1, ITERATIONS_MAX);
        }
        iterations *= 2;
    }
}

fn defects(result: &PairResult) -> Vec<Defect> {
    let mut defects = Vec::new();
    let beaten = |ratio: Option<Ratio>| ratio.is_some_and(|ratio| ratio.high < 1.0 - FLOOR_TOLERANCE);
    if result.reference_kind.is_floor() && beaten(result.ratio()) {
        defects.push(Defect::FloorBeaten);
    }
    for (name, side) in [("subject", &result.subject), ("reference", &result.reference)] {
        if !doubling::tolerated(side.doubling) {
            defects.push(Defect::NotDoubled { side: name, factor: side.doubling });
        }
    }
    if result.ratio().is_none() {
        defects.push(Defect::NoFigure);
    }
    defects
}

/// What is wrong with a figure of such a ratio to its floor.
pub(super) fn figure_defects(ratio: Option<f64>) -> Vec<Defect> {
    let beaten = ratio.is_some_and(|ratio| ratio < 1.0 - FLOOR_TOLERANCE);
    beaten.then_some(Defect::FloorBeaten).into_iter().collect()
}

impl Side {
    fn of(blocks: &[Block], iterations_per_block: u64, doubling: f64) -> Self {
        let summary =
            |of: fn(&Block) -> Option<f64>| Summary::of(&blocks.iter().filter_map(of).collect::<Vec<_>>());
        Side {
            iterations_per_block,
            cpu_ns: summary(|block| Some(block.cpu_ns)),
            wall_ns: summary(|block| Some(block.wall_ns)),
            latency_ns: summary(|block| block.latency_ns),
            doubling,
        }
    }
}

impl PairResult {
    /// The ratio that counts.
    pub fn ratio(&self) -> Option<Ratio> {
        match self.basis {
            Basis::Cpu => self.ratios.cpu,
            Basis::Wall => self.ratios.wall,
            Basis::Latency => self.ratios.latency,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    const EFFORT: Effort = Effort { quads: 6, block: Duration::from_millis(2) };

    fn spin(units: u64) -> Work {
        Work::each(move || (0..units).fold(0, |sum, n| black_box(sum) ^ n), |_| ())
    }

    #[test]
    fn twice_the_work_is_a_ratio_of_two() {
        let result = Pair::new(spin(2_000), "half of it", spin(1_000)).measure("spin/twice", EFFORT);
        let ratio = result.ratio().unwrap();
        assert!((1.6..=2.5).contains(&ratio.mean), "{ratio:?}");
        assert_eq!(result.defects, []);
        assert_eq!(result.subject.cpu_ns.unwrap().samples, 12);
    }

    #[test]
    fn a_reference_that_is_beaten_is_a_defect_and_a_rival_is_not() {
        let result = Pair::new(spin(1_000), "slow", spin(4_000)).measure("spin/floor", EFFORT);
        assert_eq!(result.defects, [Defect::FloorBeaten]);
        let result = Pair::new(spin(1_000), "slow", spin(4_000)).rival().measure("spin/rival", EFFORT);
        assert_eq!(result.defects, []);
    }

    #[test]
    fn a_basis_that_nobody_measured_is_a_defect() {
        let pair = Pair::new(spin(1_000), "same", spin(1_000)).by(Basis::Latency);
        assert_eq!(pair.measure("spin/latency", EFFORT).defects, [Defect::NoFigure]);
    }

    #[test]
    fn quads_cancel_an_even_drift() {
        let block = |cpu_ns| Block { cpu_ns, wall_ns: cpu_ns, latency_ns: None };
        // The machine becomes slower by the same factor from block to block: A B B A.
        let blocks = [vec![block(1.0), block(8.0)], vec![block(2.0), block(4.0)]];
        let logs = logs(&blocks, |block| Some(block.cpu_ns)).unwrap();
        assert!(logs[0].abs() < 1e-12, "{logs:?}");
    }
}
