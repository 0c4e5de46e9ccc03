//! What each second gave, taken from the recorder while the run goes on.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::measured::{self, Second, Times};
use crate::process::{cpu_time, rss_anon_bytes};
use crate::progress::Snapshot;
use crate::recorder::SeriesId;
use crate::swarm::Swarm;

/// The times of one series that were recorded in one second and intended in one phase, packed: an hour of histograms
/// would take gigabytes.
#[derive(Debug)]
pub(crate) struct Interval {
    pub(crate) second: u32,
    pub(crate) phase: usize,
    pub(crate) series: SeriesId,
    pub(crate) packed: measured::Interval,
}

/// A run so far.
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) intervals: Vec<Interval>,
    /// Without their intervals.
    pub(crate) seconds: Vec<Second>,
    /// By phase and what was offered.
    pub(crate) lag: Vec<((usize, usize), Times)>,
    pub(crate) untimed: u64,
    /// Processor time of the seconds of measured phases, and the most processors in one of them.
    pub(crate) cpu_measured: Duration,
    pub(crate) cpus_peak: f64,
    /// Seconds of measured phases.
    pub(crate) measured_seconds: f64,
    /// Memory before the first socket, and sockets and memory at the most sockets.
    rss_before: Option<u64>,
    rss_most: Option<(u64, u64)>,
    cpu_before: Duration,
    taken_ns: u64,
    errors: u64,
    received: u64,
}

impl Collected {
    pub(crate) fn new() -> Collected {
        Collected {
            intervals: Vec::new(),
            seconds: Vec::new(),
            lag: Vec::new(),
            untimed: 0,
            cpu_measured: Duration::ZERO,
            cpus_peak: 0.0,
            measured_seconds: 0.0,
            rss_before: rss_anon_bytes(std::process::id()).ok(),
            rss_most: None,
            cpu_before: cpu_time(),
            taken_ns: 0,
            errors: 0,
            received: 0,
        }
    }

    /// Takes what came since the last time, as of a time of the schedule, and says where the run is.
    pub(crate) fn take(&mut self, swarm: &Swarm, now_offset_ns: u64) -> Snapshot {
        let drained = swarm.recorder.drain();
        let second = self.seconds.len() as u32;
        let phase = swarm.plan.phase_of(self.taken_ns);
        let span = Duration::from_nanos(now_offset_ns.saturating_sub(self.taken_ns)).as_secs_f64().max(1e-3);
        let cpu = cpu_time();
        let cpus = cpu.saturating_sub(self.cpu_before).as_secs_f64() / span;
        if swarm.plan.phases[phase].measured && self.taken_ns < swarm.plan.end_ns {
            self.cpu_measured += cpu.saturating_sub(self.cpu_before);
            self.cpus_peak = self.cpus_peak.max(cpus);
            self.measured_seconds += span;
        }
        self.cpu_before = cpu;
        let open = u64::try_from(swarm.open.load(Ordering::Relaxed)).unwrap_or(0);
        if open > 0 && self.rss_most.is_none_or(|(most, _)| open > most) {
            self.rss_most = rss_anon_bytes(std::process::id()).ok().map(|rss| (open, rss));
        }
        let offered = swarm.plan.timeline.partition_point(|(at, _)| *at < now_offset_ns);
        let before = swarm.plan.timeline.partition_point(|(at, _)| *at < self.taken_ns);
        let is_update =
            |(_, event): &&(u64, crate::plan::Event)| matches!(event, crate::plan::Event::Update(_));
        let updates_offered = swarm.plan.timeline[before..offered].iter().filter(is_update).count() as u64;
        let errors = swarm.recorder.drain_errors();
        self.errors += errors.iter().map(|(_, count)| count).sum::<u64>();
        self.untimed += drained.second.untimed;
        let mut latency = None;
        let mut primary = Times::default();
        for ((phase, series), times) in &drained.times {
            if *series == swarm.primary {
                primary.add(times);
            }
            let name = swarm.names[series.0 as usize].clone();
            if let Some(packed) = measured::Interval::new(name, times) {
                self.intervals.push(Interval { second, phase: *phase, series: *series, packed });
            }
        }
        if !primary.0.is_empty() {
            let at = |quantile| Duration::from_nanos(primary.0.value_at_quantile(quantile));
            let name = swarm.names[swarm.primary.0 as usize].to_string();
            latency = Some((name, at(0.5), at(0.99)));
        }
        for (key, times) in drained.lag {
            match self.lag.iter_mut().find(|(known, _)| *known == key) {
                Some((_, sum)) => sum.add(&times),
                None => self.lag.push((key, times)),
            }
        }
        self.seconds.push(Second {
            second,
            open_sockets: open,
            connects: drained.second.connects,
            messages: drained.second.messages,
            updates_offered,
            updates: drained.second.updates,
            pushes: drained.second.pushes,
            errors,
            generator_cpus: cpus,
            intervals: Vec::new(),
        });
        self.taken_ns = now_offset_ns;
        let due: u64 = (0..swarm.plan.phases.len()).map(|phase| swarm.due(phase)).sum();
        self.received = swarm.recorder.phases().iter().map(|phase| phase.reach.received).sum();
        let mut rates = vec![("connects", drained.second.connects, None)];
        if swarm.plan.topics() > 0 {
            rates.push(("updates", drained.second.updates, Some(updates_offered as f64 / span)));
        }
        if !swarm.plan.scenario.messages.is_empty() {
            rates.push(("messages", drained.second.messages, None));
        }
        let is_over = now_offset_ns >= swarm.plan.end_ns || swarm.is_halted();
        Snapshot {
            phase: if is_over {
                "the last".to_owned()
            } else {
                swarm.plan.phases[swarm.plan.phase_of(now_offset_ns)].name.clone()
            },
            elapsed: Duration::from_nanos(now_offset_ns),
            total: Some(Duration::from_nanos(swarm.plan.end_ns)),
            sockets: open,
            rates,
            pushes: drained.second.pushes,
            latency,
            reach: (due > 0).then_some((self.received, due)),
            errors: self.errors,
        }
    }

    /// Memory per socket at the most sockets.
    pub(crate) fn bytes_per_user(&self) -> Option<f64> {
        let (sockets, rss) = self.rss_most?;
        Some((rss as f64 - self.rss_before? as f64) / sockets as f64)
    }

    /// The seconds with their intervals, phases of one second together.
    pub(crate) fn into_seconds(self) -> Vec<Second> {
        let mut seconds = self.seconds;
        for interval in self.intervals {
            let intervals = &mut seconds[interval.second as usize].intervals;
            match intervals.iter_mut().find(|known| known.name == interval.packed.name) {
                Some(known) => known.add(&interval.packed),
                None => intervals.push(interval.packed),
            }
        }
        seconds
    }
}
