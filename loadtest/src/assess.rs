//! From measurements to a report, and whether it may be believed and is good.

use std::time::Duration;

use crate::histogram::{quantile_us, summarize};
use crate::publisher::Published;
use crate::recorder::Times;
use crate::report::{
    ConfigReport, ConnectionsReport, GeneratorReport, ReachReport, Report, SCHEMA_VERSION, SecondReport,
    TargetReport, UpdatesReport,
};
use crate::swarm::{Outcomes, Ramp, Swarm};

/// The publisher may be this late, at its 99th percentile, as a part of the push latency's median that is reported.
pub(crate) const SCHEDULE_LAG_PART_MAX: f64 = 0.10;

/// What a run measured.
pub(crate) struct Measured {
    pub(crate) started_unix_ms: u64,
    pub(crate) ramp: Ramp,
    pub(crate) published: Published,
    pub(crate) times: Times,
    pub(crate) outcomes: Outcomes,
    pub(crate) goose_pushes: u64,
    pub(crate) cpu: Duration,
    pub(crate) cpu_total: Duration,
    pub(crate) wall: Duration,
}

pub(crate) fn report(swarm: &Swarm, measured: Measured) -> Report {
    let plan = &swarm.plan;
    let load = &plan.load;
    let Measured { published, times, outcomes, .. } = measured;
    let sum = outcomes.sum;
    let mut report = Report {
        version: SCHEMA_VERSION,
        kind: "run".to_owned(),
        run_id: plan.run_id.clone(),
        started_unix_ms: measured.started_unix_ms,
        target: TargetReport { ws: swarm.target.ws.url.clone(), mqtt: swarm.target.mqtt.clone() },
        config: ConfigReport {
            users: load.users,
            devices: load.devices,
            devices_per_user: load.devices_per_user,
            updates_per_second: load.updates_per_second,
            seconds: load.measured.as_secs_f64(),
            warm_up_seconds: load.warm_up.as_secs_f64(),
            arrivals: load.arrivals.as_str().to_owned(),
            ramp_per_second: load.ramp_per_second,
            seed: load.seed,
        },
        connections: ConnectionsReport {
            attempted: load.users,
            following: measured.ramp.following,
            failed: load.users - measured.ramp.following,
            dropped: outcomes.dropped,
            first_failure: outcomes.first_failure,
            connect: summarize(&times.connect),
            request: summarize(&times.request),
        },
        updates: UpdatesReport {
            planned: plan.updates() as u64,
            published: published.count,
            first_failure: published.failure,
            offered_per_second: load.updates_per_second,
            achieved_per_second: rate(published.count, published.span),
            schedule_lag: summarize(&published.lag),
        },
        reach: ReachReport {
            expected: sum.tally.expected,
            received: sum.tally.received,
            duplicates: sum.tally.duplicates,
            gaps: sum.tally.gaps,
            lost: sum.tally.lost,
            out_of_order: sum.tally.late,
            unexpected: sum.unexpected,
            corrupt: sum.corrupt,
            error_frames: sum.error_frames,
            first_error_frame: sum.first_error_frame,
        },
        push: summarize(&times.push),
        push_warm_up: summarize(&times.push_warm_up),
        by_second: by_second(&plan.planned_by_second(), &times),
        generator: GeneratorReport {
            cpu_seconds: measured.cpu_total.as_secs_f64(),
            wall_seconds: measured.wall.as_secs_f64(),
            cpu_us_per_delivery: (sum.tally.received > 0)
                .then(|| measured.cpu.as_secs_f64() * 1e6 / sum.tally.received as f64),
            goose_pushes: measured.goose_pushes,
            goose_pushes_dropped: outcomes.goose_pushes_dropped,
        },
        valid: false,
        invalid_reasons: Vec::new(),
        passed: false,
        failures: Vec::new(),
    };
    report.invalid_reasons = invalid_reasons(&report);
    report.valid = report.invalid_reasons.is_empty();
    report.failures = failures(&report);
    report.passed = report.failures.is_empty();
    report
}

/// Updates a second, from the gaps between them.
fn rate(count: u64, span: Duration) -> Option<f64> {
    (count > 1 && !span.is_zero()).then(|| (count - 1) as f64 / span.as_secs_f64())
}

fn by_second(planned: &[u64], times: &Times) -> Vec<SecondReport> {
    let seconds = planned.iter().zip(&times.by_second).enumerate();
    seconds
        .map(|(second, (&planned, histogram))| SecondReport {
            second,
            planned,
            received: histogram.len(),
            p50_us: quantile_us(histogram, 0.5),
            p99_us: quantile_us(histogram, 0.99),
            max_us: quantile_us(histogram, 1.0),
        })
        .collect()
}

fn invalid_reasons(report: &Report) -> Vec<String> {
    let mut reasons = Vec::new();
    match (report.updates.schedule_lag.p99_us, report.push.p50_us) {
        (Some(lag), Some(push)) if lag > SCHEDULE_LAG_PART_MAX * push => reasons.push(format!(
            "the publisher was up to {lag:.0} µs late (p99), more than {:.0} % of the median push of {push:.0} µs: this machine was too busy to measure it",
            SCHEDULE_LAG_PART_MAX * 100.0
        )),
        (_, None) => reasons.push("no push arrived in the measured part of the schedule".to_owned()),
        _ => {}
    }
    if let Some(failure) = &report.updates.first_failure {
        reasons.push(format!(
            "{} of {} updates were published: {failure}",
            report.updates.published, report.updates.planned
        ));
    }
    reasons
}

fn failures(report: &Report) -> Vec<String> {
    let (connections, reach) = (&report.connections, &report.reach);
    let first = |text: &Option<String>| {
        text.as_deref().map(|text| format!("; the first: {text}")).unwrap_or_default()
    };
    let counts = [
        (
            connections.failed as u64,
            "clients could not connect and follow",
            first(&connections.first_failure),
        ),
        (
            connections.dropped as u64,
            "connections ended before the run did",
            first(&connections.first_failure),
        ),
        (reach.lost, "pushes were lost: their followers ended behind", String::new()),
        (reach.duplicates, "pushes were duplicates", String::new()),
        (
            reach.unexpected,
            "pushes were for devices or versions that the client does not follow",
            String::new(),
        ),
        (reach.corrupt, "pushes had another version's value", String::new()),
        (reach.error_frames, "frames were errors or not in the contract", first(&reach.first_error_frame)),
    ];
    counts
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, what, first)| format!("{count} {what}{first}"))
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::account::Tally;
    use crate::histogram::{record, times};
    use crate::plan::{Plan, tests::load};
    use crate::recorder::Recorder;
    use crate::swarm::Outcome;
    use crate::target::{Target, WsTarget};

    /// A swarm of [`load`], not started.
    pub(crate) fn swarm() -> Swarm {
        let plan = Plan::new(load(), "0123abcd".to_owned()).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 3001));
        let ws = WsTarget { url: "ws://127.0.0.1:3001/dev".to_owned(), address };
        Swarm::new(plan, Target { ws, mqtt: "127.0.0.1:1883".to_owned() })
    }

    /// A report of pushes and schedule lags that all took the same time.
    pub(crate) fn report_of(push: Duration, lag: Duration, outcome: Outcome, dropped: usize) -> Report {
        let swarm = swarm();
        let recorder = Recorder::new(3);
        for push_number in 0..outcome.tally.received {
            recorder.shard(0).push(push, (push_number % 3) as usize, push_number % 3 == 0);
        }
        let mut lags = times();
        record(&mut lags, lag);
        for user in 0..6 {
            swarm.follow(user);
        }
        let ramp = swarm.close_ramp();
        report(
            &swarm,
            Measured {
                started_unix_ms: 1_795_000_000_000,
                ramp,
                published: Published {
                    count: 30,
                    span: Duration::from_millis(2_900),
                    lag: lags,
                    failure: None,
                },
                times: recorder.merged(),
                outcomes: Outcomes { sum: outcome, dropped, first_failure: None, goose_pushes_dropped: 0 },
                goose_pushes: 90,
                cpu: Duration::from_millis(90),
                cpu_total: Duration::from_millis(200),
                wall: Duration::from_secs(4),
            },
        )
    }

    fn all_arrived() -> Outcome {
        Outcome { tally: Tally { expected: 90, received: 90, ..Tally::default() }, ..Outcome::default() }
    }

    #[test]
    fn a_good_run_is_valid_and_passes() {
        let report = report_of(Duration::from_millis(4), Duration::from_micros(100), all_arrived(), 0);
        assert!(report.valid && report.passed, "{:?} {:?}", report.invalid_reasons, report.failures);
        assert_eq!((report.push.count, report.push_warm_up.count), (60, 30));
        assert_eq!(report.by_second.iter().map(|second| second.received).collect::<Vec<_>>(), [30, 30, 30]);
        assert_eq!(report.updates.achieved_per_second, Some(10.0));
        assert_eq!(report.generator.cpu_us_per_delivery, Some(1_000.0));
    }

    #[test]
    fn a_late_publisher_makes_the_latencies_invalid() {
        let report = report_of(Duration::from_millis(4), Duration::from_micros(500), all_arrived(), 0);
        assert!(!report.valid && report.passed);
        assert!(report.invalid_reasons[0].contains("µs late (p99)"), "{:?}", report.invalid_reasons);
    }

    #[test]
    fn a_run_without_pushes_is_invalid() {
        let report = report_of(Duration::from_millis(4), Duration::ZERO, Outcome::default(), 0);
        assert_eq!(report.invalid_reasons, ["no push arrived in the measured part of the schedule"]);
    }

    #[test]
    fn each_kind_of_failure_is_named() {
        let bad = |change: fn(&mut Outcome)| {
            let mut outcome = all_arrived();
            change(&mut outcome);
            report_of(Duration::from_millis(4), Duration::ZERO, outcome, 0).failures
        };
        assert_eq!(bad(|o| o.tally.lost = 2), ["2 pushes were lost: their followers ended behind"]);
        assert_eq!(bad(|o| o.tally.duplicates = 1), ["1 pushes were duplicates"]);
        assert_eq!(bad(|o| o.corrupt = 1).len(), 1);
        assert_eq!(bad(|o| o.unexpected = 1).len(), 1);
        let frames = bad(|o| {
            o.error_frames = 3;
            o.first_error_frame = Some("oops".to_owned());
        });
        assert_eq!(frames, ["3 frames were errors or not in the contract; the first: oops"]);
        assert_eq!(report_of(Duration::ZERO, Duration::ZERO, all_arrived(), 1).failures.len(), 1);
        // The contract skips versions that a newer one overtook.
        assert!(bad(|o| o.tally.gaps = 5).is_empty());
        assert!(bad(|o| o.tally.late = 5).is_empty());
    }
}
