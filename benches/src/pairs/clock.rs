//! Processor time, by the kernel's own count, of whom a figure is about.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

/// Whose processor time (user and system) a figure is.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The thread that runs the benchmark: everything that does not leave it.
    #[default]
    ThisThread,
    /// All threads of this process, ended ones included.
    ThisProcess,
    /// Some threads of this process: a server beside a client that is not to be counted.
    Threads(Arc<[ThreadClock]>),
    /// All threads of another process, as long as they live.
    Process(u32),
}

/// One thread of this process, for [`Clock::Threads`].
#[derive(Clone, Copy, Debug)]
pub struct ThreadClock {
    thread: i32,
}

impl Clock {
    /// The sum of some threads.
    pub fn threads(threads: impl IntoIterator<Item = ThreadClock>) -> Self {
        Clock::Threads(threads.into_iter().collect())
    }

    /// Processor time until now. Of other threads it is exact when they wait, and late by up to a tick of the kernel when they
    /// do not: a block ends when its work is answered, and who has answered waits.
    ///
    /// # Panics
    ///
    /// If the kernel does not count the time of threads, or one of them has ended.
    pub(super) fn now(&self) -> Duration {
        let known = |clock| Duration::try_from(clock_gettime(clock)).expect("processor time is not negative");
        match self {
            Clock::ThisThread => known(ClockId::ThreadCPUTime),
            Clock::ThisProcess => known(ClockId::ProcessCPUTime),
            Clock::Threads(threads) => {
                threads.iter().map(|clock| of_task("self", &clock.thread.to_string())).sum()
            }
            Clock::Process(process) => {
                let process = process.to_string();
                let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("the process lives");
                let names = tasks.map(|task| task.expect("its threads can be listed").file_name());
                names.map(|name| of_task(&process, &name.to_string_lossy())).sum()
            }
        }
    }
}

impl ThreadClock {
    /// The thread that calls this.
    pub fn here() -> Self {
        ThreadClock { thread: rustix::thread::gettid().as_raw_nonzero().get() }
    }
}

/// The first field is the time on the processor in nanoseconds, brought up to date whenever the thread waits.
fn of_task(process: &str, task: &str) -> Duration {
    let file = format!("/proc/{process}/task/{task}/schedstat");
    let text = fs::read_to_string(&file).expect("a measured thread lives, and Linux counts its time");
    let nanoseconds = text.split_ascii_whitespace().next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanoseconds.expect("the first field is the time on the processor"))
}

/// Measures parts of a block: processor time by its [`Clock`], wall time, and latencies where the work tells them.
#[derive(Debug)]
pub struct Stopwatch {
    clock: Clock,
    pub(super) cpu: Duration,
    pub(super) wall: Duration,
    pub(super) latencies_ns: Vec<f64>,
}

/// A part that is being measured; [`Stopwatch::stop`] ends it.
#[derive(Debug)]
#[must_use = "a part that is never stopped is not counted"]
pub struct Started {
    cpu: Duration,
    wall: Instant,
}

impl Stopwatch {
    pub(super) fn new(clock: Clock) -> Self {
        Stopwatch { clock, cpu: Duration::ZERO, wall: Duration::ZERO, latencies_ns: Vec::new() }
    }

    /// Measures `work`, and adds it to what was measured before in this block.
    pub fn measure<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let started = self.start();
        let result = work();
        self.stop(&started);
        result
    }

    /// Begins a part; for what cannot stand in a closure.
    pub fn start(&self) -> Started {
        Started { wall: Instant::now(), cpu: self.clock.now() }
    }

    /// Ends a part.
    pub fn stop(&mut self, started: &Started) {
        self.cpu += self.clock.now().saturating_sub(started.cpu);
        self.wall += started.wall.elapsed();
    }

    /// One round trip of the block, for [`Basis::Latency`](super::Basis::Latency).
    pub fn latency(&mut self, latency: Duration) {
        self.latencies_ns.push(latency.as_secs_f64() * 1e9);
    }
}

#[cfg(test)]
mod tests {
    use std::{hint, sync::mpsc::sync_channel, thread};

    use super::*;

    /// Keeps the processor busy until this thread has used so much of it.
    fn burn(cpu: Duration) {
        let began = Clock::ThisThread.now();
        while Clock::ThisThread.now() - began < cpu {
            hint::spin_loop();
        }
    }

    #[test]
    fn a_thread_is_counted_alone_and_a_process_whole() {
        const WORK: Duration = Duration::from_millis(30);
        let (sender, worker) = sync_channel(0);
        let (begin, begun) = sync_channel::<()>(0);
        let (done, finished) = sync_channel::<()>(0);
        let thread = thread::spawn(move || {
            sender.send(ThreadClock::here()).unwrap();
            begun.recv().unwrap();
            burn(WORK);
            done.send(()).unwrap();
            // It lives until it has been read.
            begun.recv().unwrap();
        });
        let worker = Clock::threads([worker.recv().unwrap()]);
        let clocks = [Clock::ThisThread, Clock::ThisProcess, worker, Clock::Process(std::process::id())];
        let before = clocks.each_ref().map(Clock::now);
        begin.send(()).unwrap();
        finished.recv().unwrap();
        let after = clocks.each_ref().map(Clock::now);
        begin.send(()).unwrap();
        thread.join().unwrap();
        let [this_thread, this_process, worker, by_pid] = std::array::from_fn(|n| after[n] - before[n]);
        // The worker may still be on its way to its wait, and its count late by a tick.
        assert!(worker >= WORK / 2, "{worker:?}");
        assert!(this_thread < WORK / 2, "this thread waited: {this_thread:?}");
        assert!(this_process >= WORK && by_pid >= WORK / 2, "{this_process:?} {by_pid:?}");
    }

    #[test]
    fn parts_are_added_up() {
        let mut stopwatch = Stopwatch::new(Clock::ThisThread);
        for _ in 0..2 {
            stopwatch.measure(|| burn(Duration::from_millis(2)));
        }
        assert!(stopwatch.cpu >= Duration::from_millis(4), "{:?}", stopwatch.cpu);
        assert!(stopwatch.wall >= stopwatch.cpu / 2);
    }
}
