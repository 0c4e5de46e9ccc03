//! From what was recorded to what was measured, and whether it may be believed.

use std::time::Duration;

use crate::collect::Collected;
use crate::measured::{
    ErrorRow, Generator, Lag, Measured, Metric, Model, Offered, Phase, Rate, Revision, Run, Series, Steps,
    Times, Verdict, WarmUp,
};
use crate::mser::{Truncation, truncation};
use crate::plan::Plan;
use crate::process::{cpu_time, machine};
use crate::recorder::{ErrorKind, MEAN_INTERVAL_NS, PhaseCounts, SeriesId, index};
use crate::swarm::Swarm;
use crate::thresholds::{self, Threshold};

/// What was scheduled may leave this late, at the 99th percentile, as a part of the median that is reported of it.
pub(crate) const LAG_PART_MAX: f64 = 0.10;

/// A generator that used more of the processors than this, over the measured phases, was the bottleneck itself.
const PROCESSORS_PART_MAX: f64 = 0.80;

const OFFERED: [Offered; 3] = [Offered::Connects, Offered::Messages, Offered::Updates];

/// What only the driver of a run knows.
pub(crate) struct Ran {
    pub(crate) started_unix_ms: u64,
    pub(crate) cause: Option<String>,
    pub(crate) commit: Option<String>,
    pub(crate) wall: Duration,
    pub(crate) ended_early: Option<String>,
    /// Time of the schedule at which nothing more was begun.
    pub(crate) ended_ns: u64,
    pub(crate) goose_dropped: u64,
}

/// Everything that a run measured, verdicts included.
pub(crate) fn measured(swarm: &Swarm, collected: Collected, ran: Ran) -> Measured {
    let plan = &swarm.plan;
    let scenario = &plan.scenario;
    let counts = swarm.recorder.phases();
    let means = swarm.recorder.means();
    let planned = plan.planned(ran.ended_ns);
    let begun = plan.phases.iter().take_while(|phase| phase.start_ns < ran.ended_ns).count().max(1);
    let phases: Vec<Phase> = (0..begun)
        .map(|number| {
            phase(swarm, number, &counts[number], planned[number], &collected, &means, ran.ended_ns)
        })
        .collect();
    let frames: u64 = counts
        .iter()
        .zip(&plan.phases)
        .filter(|(_, phase)| phase.measured)
        .map(|(counts, _)| counts.frames)
        .sum();
    let lag = OFFERED.into_iter().filter_map(|what| {
        let mut times = Times::default();
        let of_measured = collected.lag.iter().filter(|((phase, _), _)| plan.phases[*phase].measured);
        of_measured.filter(|((_, of), _)| *of == index(what)).for_each(|(_, part)| times.add(part));
        // A closed model has no schedule for its messages to be late of.
        let is_scheduled = what != Offered::Messages || scenario.model == Model::Open;
        (is_scheduled && !times.0.is_empty()).then_some(Lag { what, times })
    });
    let generator = Generator {
        cpu_seconds: cpu_time().as_secs_f64(),
        wall_seconds: ran.wall.as_secs_f64(),
        cpus_peak: collected.cpus_peak,
        cpu_ns_per_message: (frames > 0).then(|| collected.cpu_measured.as_nanos() as f64 / frames as f64),
        messages: frames,
        lag: lag.collect(),
        dropped_samples: 0,
        goose_dropped_samples: ran.goose_dropped,
        bytes_per_user: collected.bytes_per_user(),
        untimed_pushes: collected.untimed,
    };
    let (errors, order) = errors(swarm.recorder.errors());
    let mut seconds = collected.into_seconds();
    for (row, _) in seconds.iter_mut().flat_map(|second| &mut second.errors) {
        *row = order[*row as usize];
    }
    let mut measured = Measured {
        run: Run {
            id: format!("{:08x}", plan.run),
            scenario: scenario.name.clone(),
            description: scenario.description.clone(),
            scenario_text: scenario.text.clone(),
            overrides: scenario.overrides.clone(),
            target: swarm.target.url.split('?').next().unwrap_or_default().to_owned(),
            cause: ran.cause,
            model: scenario.model,
            seed: scenario.seed,
            users: plan.slots as u64,
            processes: 1,
            started_unix_ms: ran.started_unix_ms,
        },
        machines: vec![machine()],
        revision: Revision { version: env!("CARGO_PKG_VERSION").to_owned(), commit: ran.commit },
        phases,
        seconds,
        errors,
        generator,
        steps: scenario.steps.map(|steps| Steps {
            factor: steps.factor,
            grows: if scenario.updates.is_some() { "updates" } else { "messages" }.to_owned(),
            last_good: None,
            first_bad: None,
        }),
        thresholds: scenario.thresholds.iter().map(unjudged).collect(),
        invalid: Vec::new(),
        ended_early: ran.ended_early,
        notes: Vec::new(),
    };
    judge(&mut measured);
    measured
}

/// Makes the verdicts of a run from its figures: those of [`Measured::thresholds`], of its phases and steps, and the
/// reasons why it may not be believed. After measured parts were added up, this makes them the sum's.
pub fn judge(measured: &mut Measured) {
    let thresholds: Vec<Threshold> =
        measured.thresholds.iter().filter_map(|verdict| thresholds::parse(&verdict.threshold).ok()).collect();
    for phase in measured.phases.iter_mut().filter(|phase| phase.measured) {
        phase.thresholds = thresholds.iter().map(|threshold| threshold.verdict_on(phase)).collect();
    }
    measured.thresholds = thresholds.iter().map(|threshold| threshold.verdict(measured)).collect();
    judge_steps(measured);
    measured.invalid = invalid(measured);
    for note in notes(measured) {
        if !measured.notes.contains(&note) {
            measured.notes.push(note);
        }
    }
}

/// Steps go on until one breaks a threshold, so that the run's own verdicts are those of the last one that did not.
fn judge_steps(measured: &mut Measured) {
    let Some(mut steps) = measured.steps.take() else { return };
    (steps.last_good, steps.first_bad) = (None, None);
    let offered = |phase: &Phase| {
        let what = if steps.grows == "updates" { Offered::Updates } else { Offered::Messages };
        phase
            .rates
            .iter()
            .find(|rate| rate.what == what)
            .and_then(|rate| rate.offered_per_second)
            .unwrap_or(0.0)
    };
    let mut verdicts: Option<Vec<Verdict>> = None;
    for phase in measured.phases.iter().filter(|phase| phase.measured) {
        let step = Some((phase.name.clone(), offered(phase)));
        if phase.thresholds.iter().all(|verdict| verdict.met) {
            steps.last_good = step;
            verdicts = Some(phase.thresholds.clone());
        } else {
            steps.first_bad = step;
            verdicts.get_or_insert_with(|| phase.thresholds.clone());
            break;
        }
    }
    measured.thresholds = verdicts.unwrap_or_default();
    measured.steps = Some(steps);
}

/// A threshold before its verdict.
fn unjudged(threshold: &Threshold) -> Verdict {
    Verdict { threshold: threshold.text().to_owned(), measured: String::new(), met: false }
}

fn phase(
    swarm: &Swarm,
    number: usize,
    counts: &PhaseCounts,
    planned: [u64; 3],
    collected: &Collected,
    means: &[Option<f64>],
    ended_ns: u64,
) -> Phase {
    let plan = &swarm.plan;
    let planned_phase = &plan.phases[number];
    let end_ns = planned_phase.end_ns.min(ended_ns).max(planned_phase.start_ns + 1);
    let length = (end_ns - planned_phase.start_ns) as f64 / 1e9;
    let (warm_up, first_second) = if planned_phase.measured {
        warm_up(means, planned_phase.start_ns, end_ns)
    } else {
        (WarmUp::None, 0)
    };
    let mut series: Vec<(SeriesId, Times)> = Vec::new();
    let of_phase = collected.intervals.iter().filter(|interval| interval.phase == number);
    for interval in of_phase.filter(|interval| interval.second >= first_second) {
        match series.iter_mut().find(|(known, _)| *known == interval.series) {
            Some((_, sum)) => sum.add(&interval.packed.times()),
            None => series.push((interval.series, interval.packed.times())),
        }
    }
    series.sort_by_key(|(id, _)| *id);
    let is_closed = plan.scenario.model == Model::Closed;
    let rates = OFFERED.into_iter().filter_map(|what| {
        let (planned, done) = (planned[index(what)], counts.done[index(what)]);
        let span = (counts.last_done_ns[index(what)].saturating_sub(planned_phase.start_ns)) as f64 / 1e9;
        (planned > 0 || done > 0).then(|| Rate {
            what,
            planned,
            done,
            offered_per_second: (!is_closed || what != Offered::Messages).then_some(planned as f64 / length),
            achieved_per_second: done as f64 / length.max(span),
        })
    });
    let mut reach = counts.reach;
    // Seen by the accounts, counted by the readers: a connection that broke in between counts as the accounts do.
    reach.received = reach.expected - reach.lost;
    Phase {
        name: planned_phase.name.clone(),
        measured: planned_phase.measured,
        start_ns: planned_phase.start_ns,
        end_ns,
        rates: rates.collect(),
        series: series
            .into_iter()
            .map(|(id, times)| Series { name: swarm.names[id.0 as usize].clone(), times })
            .collect(),
        reach,
        attempts: counts.attempts,
        errors: counts.errors,
        warm_up,
        thresholds: Vec::new(),
    }
}

/// What MSER-5 says of a phase, and the first second that counts.
fn warm_up(means: &[Option<f64>], start_ns: u64, end_ns: u64) -> (WarmUp, u32) {
    let (first, last) = ((start_ns / MEAN_INTERVAL_NS) as usize, (end_ns / MEAN_INTERVAL_NS) as usize);
    let of_phase = means.get(first..last.min(means.len())).unwrap_or_default();
    if of_phase.iter().flatten().count() == 0 {
        return (WarmUp::None, 0);
    }
    match truncation(of_phase) {
        Truncation::TooShort => (WarmUp::TooShort, 0),
        Truncation::NeverSettles => (WarmUp::NeverSettled, 0),
        Truncation::At(0) => (WarmUp::Cut { seconds: 0 }, 0),
        Truncation::At(intervals) => {
            let cut_ns = start_ns + intervals as u64 * MEAN_INTERVAL_NS;
            let first_second = u32::try_from(cut_ns.div_ceil(1_000_000_000)).unwrap_or(u32::MAX);
            let seconds = first_second - u32::try_from(start_ns / 1_000_000_000).unwrap_or(first_second);
            (WarmUp::Cut { seconds }, first_second)
        }
    }
}

/// Most frequent first, and the new place of each.
fn errors(kinds: Vec<ErrorKind>) -> (Vec<ErrorRow>, Vec<u32>) {
    let mut numbered: Vec<(usize, ErrorKind)> = kinds.into_iter().enumerate().collect();
    numbered.sort_by_key(|(_, kind)| std::cmp::Reverse(kind.count));
    let mut order = vec![0; numbered.len()];
    for (place, (was, _)) in (0..).zip(&numbered) {
        order[*was] = place;
    }
    let rows = numbered.into_iter().map(|(_, kind)| ErrorRow {
        during: kind.during.to_owned(),
        kind: kind.kind,
        count: kind.count,
        first: kind.first,
    });
    (rows.collect(), order)
}

fn invalid(measured: &Measured) -> Vec<String> {
    let mut reasons = Vec::new();
    let over = |metric: Metric| {
        let mut sum = Times::default();
        let phases = measured.phases.iter().filter(|phase| phase.measured);
        let series = phases.flat_map(|phase| &phase.series).filter(|series| series.name.metric == metric);
        series.for_each(|series| sum.add(&series.times));
        sum.0
    };
    for Lag { what, times } in &measured.generator.lag {
        let metrics: &[Metric] = match what {
            Offered::Connects => &[Metric::Connect],
            Offered::Messages => &[Metric::Response, Metric::Post],
            Offered::Updates => &[Metric::Push],
        };
        let lag = times.0.value_at_quantile(0.99) as f64;
        for metric in metrics {
            let reported = over(*metric);
            let median = reported.value_at_quantile(0.5) as f64;
            if !reported.is_empty() && lag > LAG_PART_MAX * median {
                reasons.push(format!(
                    "{what} left up to {:.0} µs late (p99), more than {:.0} % of the median {metric} of {:.0} µs: this machine was too busy to measure it",
                    lag / 1e3,
                    LAG_PART_MAX * 100.0,
                    median / 1e3
                ));
            }
        }
    }
    let cpus: u32 = measured.machines.iter().map(|machine| machine.cpus).sum();
    let used: Vec<f64> = measured
        .seconds
        .iter()
        .filter(|second| {
            let at = u64::from(second.second) * 1_000_000_000;
            measured.phases.iter().any(|phase| phase.measured && (phase.start_ns..phase.end_ns).contains(&at))
        })
        .map(|second| second.generator_cpus)
        .collect();
    let mean = used.iter().sum::<f64>() / used.len().max(1) as f64;
    if mean > PROCESSORS_PART_MAX * f64::from(cpus) {
        reasons.push(format!(
            "the generator used {mean:.1} of {cpus} processors in the measured phases: it was the bottleneck itself"
        ));
    }
    let is_empty = measured.phases.iter().filter(|phase| phase.measured).all(|phase| phase.series.is_empty());
    if is_empty {
        reasons.push("nothing was timed in a measured phase".to_owned());
    }
    reasons
}

fn notes(measured: &Measured) -> Vec<String> {
    let mut notes = Vec::new();
    for phase in &measured.phases {
        if phase.warm_up == WarmUp::NeverSettled {
            notes.push(format!(
                "{} never settled: its latencies drift from start to end, and nothing was cut",
                phase.name
            ));
        }
    }
    if measured.generator.untimed_pushes > 0 {
        notes.push(format!(
            "{} pushes were caused on another host: they count for reach, and have no latency, since the hosts' clocks have nothing to do with each other",
            measured.generator.untimed_pushes
        ));
    }
    notes
}

/// The thresholds that a step which is just over already breaks, as far as they can be told before the last pushes.
pub(crate) fn breaks_early(swarm: &Swarm, collected: &Collected, number: usize) -> bool {
    let plan: &Plan = &swarm.plan;
    let counts = &swarm.recorder.phases()[number];
    let planned = plan.planned(u64::MAX)[number];
    let means = swarm.recorder.means();
    let mut phase = phase(swarm, number, counts, planned, collected, &means, u64::MAX);
    let due = swarm.due(number);
    phase.reach = counts.reach;
    phase.reach.expected = due;
    phase.reach.lost = due.saturating_sub(counts.reach.received);
    !plan.scenario.thresholds.iter().all(|threshold| threshold.verdict_on(&phase).met)
}
