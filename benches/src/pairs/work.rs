//! One side of a comparison: what is done, how it is measured, and the proof that it was done.

use std::{fmt, hint::black_box, time::Duration};

use super::clock::{Clock, Stopwatch};
use crate::place::{Place, Stay};

/// Does so many iterations, and says how many it has seen done.
type Run = dyn FnMut(u64, &mut Stopwatch) -> u64;

/// Work that can be done any number of times.
pub struct Work {
    run: Box<Run>,
    clock: Clock,
    place: Option<Place>,
}

/// What a block of work took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Block {
    /// Processor time of one iteration.
    pub(super) cpu_ns: f64,
    /// Wall time of one iteration.
    pub(super) wall_ns: f64,
    /// The median of the latencies, if the work tells them.
    pub(super) latency_ns: Option<f64>,
}

impl Work {
    /// One call, again and again. `check` looks at the last result of each block, outside of the measurement, and panics if it
    /// is not what it must be.
    pub fn each<R>(mut work: impl FnMut() -> R + 'static, mut check: impl FnMut(&R) + 'static) -> Self {
        Work::custom(move |iterations, stopwatch| {
            let last = stopwatch.measure(|| {
                for _ in 1..iterations {
                    black_box(work());
                }
                black_box(work())
            });
            check(&last);
            iterations
        })
    }

    /// Calls that use their input up. Inputs are made outside of the measurement, `batch` at a time, and freed inside; results
    /// are freed inside too, but for the last one of each batch, which is checked.
    pub fn batched<I: 'static, R>(
        batch: usize,
        mut input: impl FnMut() -> I + 'static,
        mut work: impl FnMut(I) -> R + 'static,
        mut check: impl FnMut(&R) + 'static,
    ) -> Self {
        let mut inputs = Vec::with_capacity(batch);
        Work::custom(move |iterations, stopwatch| {
            let mut left = iterations;
            while left > 0 {
                let now = left.min(batch as u64);
                inputs.extend((0..now).map(|_| input()));
                let last = stopwatch.measure(|| {
                    let mut last = None;
                    for input in inputs.drain(..) {
                        last = Some(black_box(work(black_box(input))));
                    }
                    last
                });
                last.iter().for_each(&mut check);
                left -= now;
            }
            iterations
        })
    }

    /// Whatever does so many iterations by itself. It says to the stopwatch what to measure, and returns how many iterations it
    /// has seen done, by looking at the bytes that came out: a number that it only hands on proves nothing.
    pub fn custom(run: impl FnMut(u64, &mut Stopwatch) -> u64 + 'static) -> Self {
        Work { run: Box::new(run), clock: Clock::default(), place: None }
    }

    /// Counts the processor time of others than this thread.
    pub fn on(self, clock: Clock) -> Self {
        Work { clock, ..self }
    }

    /// Keeps this thread in a place meanwhile, where another one answers it.
    pub(crate) fn at(self, place: Place) -> Self {
        Work { place: Some(place), ..self }
    }

    /// Does it so many times.
    ///
    /// # Panics
    ///
    /// If not everything was done, or a result is wrong.
    pub(super) fn block(&mut self, iterations: u64) -> Block {
        let _stay = self.place.map(Stay::on);
        let mut stopwatch = Stopwatch::new(self.clock.clone());
        let done = (self.run)(iterations, &mut stopwatch);
        assert_eq!(done, iterations, "not everything was done that was to be measured");
        let each = |time: Duration| time.as_secs_f64() * 1e9 / iterations as f64;
        let latencies = &mut stopwatch.latencies_ns;
        latencies.sort_by(f64::total_cmp);
        Block {
            cpu_ns: each(stopwatch.cpu),
            wall_ns: each(stopwatch.wall),
            latency_ns: latencies.get(latencies.len() / 2).copied(),
        }
    }

    /// Does it so many times, and says what that took of processor time. For another harness, and for whoever counts
    /// something else than time: instructions, allocations, calls.
    ///
    /// # Panics
    ///
    /// If not everything was done, or a result is wrong.
    pub fn run(&mut self, iterations: u64) -> Duration {
        let block = self.block(iterations);
        Duration::from_secs_f64(block.cpu_ns * iterations as f64 / 1e9)
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("clock", &self.clock).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use super::*;

    #[test]
    fn inputs_come_in_batches_and_each_is_used_once() {
        let (made, used, checked) = <(Rc<Cell<u32>>, Rc<Cell<u64>>, Rc<Cell<u32>>)>::default();
        let mut work = Work::batched(
            4,
            {
                let made = Rc::clone(&made);
                move || {
                    made.set(made.get() + 1);
                    made.get()
                }
            },
            {
                let used = Rc::clone(&used);
                move |input: u32| {
                    used.set(used.get() + u64::from(input));
                    input
                }
            },
            {
                let checked = Rc::clone(&checked);
                move |last| checked.set(*last)
            },
        );
        work.run(10);
        assert_eq!((made.get(), used.get(), checked.get()), (10, 55, 10));
    }

    #[test]
    #[should_panic(expected = "not everything was done")]
    fn work_that_was_not_done_is_not_measured() {
        Work::custom(|iterations, _| iterations - 1).run(10);
    }

    #[test]
    #[should_panic(expected = "wrong")]
    fn a_wrong_result_is_not_measured() {
        Work::each(|| 1 + 1, |sum| assert_eq!(*sum, 3, "wrong")).run(1);
    }
}
