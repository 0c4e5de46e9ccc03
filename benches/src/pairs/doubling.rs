//! Twice the work must cost twice as much. A benchmark whose work the optimiser removed costs the same for any amount, and
//! so does one that measures its own set-up.

use std::time::Duration;

use super::work::Work;

/// By what the figure of twice the work may be larger: the least of several blocks of each is compared, which neighbours
/// disturb little.
const TOLERATED: std::ops::RangeInclusive<f64> = 1.6..=2.5;

/// Blocks of each amount; the fastest of them counts.
const BLOCKS: usize = 3;

/// Rounds before a factor that is out of tolerance is believed, each with more work than the one before.
const ROUNDS: u32 = 5;

/// Processor time of a block that is long enough to be compared.
const BLOCK_MIN: Duration = Duration::from_millis(2);

/// Iterations of a block at most: beyond, an iteration is no work at all.
const ITERATIONS_MAX: u64 = 1 << 32;

/// Asserts that twice the work costs twice the processor time. `make` gets how many units of work each iteration has to do, one
/// or two, whatever a unit is: bytes of a body, subscribers, routes.
///
/// The least of several blocks counts, and what fails is tried again with longer ones, so that a busy machine does not decide.
///
/// ```
/// use dunlin_benches::pairs::{Work, doubles};
///
/// doubles("sum", |times| {
///     let numbers: Vec<u64> = (0..times * 10_000).collect();
///     let sum = numbers.len() as u64 * (numbers.len() as u64 - 1) / 2;
///     Work::each(move || std::hint::black_box(&numbers).iter().sum::<u64>(), move |s| assert_eq!(*s, sum))
/// });
/// ```
///
/// # Panics
///
/// If it does not double.
#[track_caller]
pub fn doubles(name: &str, mut make: impl FnMut(u64) -> Work) {
    let (mut once, mut twice) = (make(1), make(2));
    let factor = settle(|round| {
        let iterations = enough(&mut once) << round;
        least(&mut twice, iterations) / least(&mut once, iterations)
    });
    assert!(TOLERATED.contains(&factor), "{name}: twice the work costs {factor:.2} times as much");
}

/// Asserts that a figure of anything else, such as bytes of connections or calls, doubles with the work within a share of
/// itself: 0.1 takes what lies between 1.8 and 2.2 times.
///
/// # Panics
///
/// If it does not double.
#[track_caller]
pub fn figure_doubles(name: &str, tolerance: f64, mut figure: impl FnMut(u64) -> f64) {
    let (once, twice) = (figure(1), figure(2));
    let factor = twice / once;
    assert!(
        (2.0 * (1.0 - tolerance)..=2.0 * (1.0 + tolerance)).contains(&factor),
        "{name}: twice the work gives {twice} instead of {once}, {factor:.2} times as much"
    );
}

/// How many times as much it costs to do twice as many iterations.
pub(super) fn of_iterations(work: &mut Work) -> f64 {
    settle(|round| {
        let iterations = enough(work) << round;
        2.0 * least(work, 2 * iterations) / least(work, iterations)
    })
}

/// Whether a factor is near enough to two.
pub(super) fn tolerated(factor: f64) -> bool {
    TOLERATED.contains(&factor)
}

/// The first factor within the tolerance, else the last one.
fn settle(mut factor: impl FnMut(u32) -> f64) -> f64 {
    let mut last = f64::NAN;
    for round in 0..ROUNDS {
        last = factor(round);
        if TOLERATED.contains(&last) {
            break;
        }
    }
    last
}

/// As many iterations as take long enough to be compared.
fn enough(work: &mut Work) -> u64 {
    let mut iterations = 1;
    while iterations < ITERATIONS_MAX {
        let total_ns = work.block(iterations).cpu_ns * iterations as f64;
        if total_ns >= BLOCK_MIN.as_nanos() as f64 {
            break;
        }
        iterations *= 2;
    }
    iterations
}

/// Processor time of one iteration in the fastest of several blocks.
fn least(work: &mut Work, iterations: u64) -> f64 {
    (0..BLOCKS).map(|_| work.block(iterations).cpu_ns).fold(f64::MAX, f64::min).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    fn spin(units: u64) -> u64 {
        (0..units).fold(0, |sum, n| black_box(sum) ^ n)
    }

    #[test]
    fn honest_work_doubles() {
        let factor = of_iterations(&mut Work::each(|| spin(100), |_| ()));
        assert!(tolerated(factor), "{factor}");
        doubles("spin", |times| Work::each(move || spin(times * 1_000), |_| ()));
        figure_doubles("bytes", 0.0, |times| (times * 1_000) as f64);
    }

    #[test]
    fn set_up_within_the_measurement_is_found() {
        let mut work = Work::custom(|iterations, stopwatch| {
            stopwatch.measure(|| spin(500_000 + iterations));
            iterations
        });
        let factor = of_iterations(&mut work);
        assert!(!tolerated(factor), "{factor}");
    }

    #[test]
    #[should_panic(expected = "twice the work costs")]
    fn work_that_is_not_done_is_found() {
        doubles("nothing", |_| Work::each(|| spin(1_000), |_| ()));
    }

    #[test]
    #[should_panic(expected = "3.00 times as much")]
    fn a_figure_that_triples_is_found() {
        figure_doubles("bytes", 0.1, |times| (2 * times - 1) as f64);
    }
}
