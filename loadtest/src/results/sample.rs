//! A run that nobody made: seeded data of every kind that a real one has, for the tests of the reports.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::histogram::record;
use crate::measured::*;
use crate::recorder::lock;

/// Seconds of the sample: ten of ramp, sixty measured.
const SECONDS: u32 = 70;
const RAMP: u32 = 10;
const USERS: u64 = 500;

/// Each run is made once for all tests of a process.
static MADE: Mutex<BTreeMap<u64, Measured>> = Mutex::new(BTreeMap::new());

/// A run of one process. The same seed makes the same run.
pub(crate) fn measured(seed: u64) -> Measured {
    lock(&MADE).entry(seed).or_insert_with(|| make(seed)).clone()
}

fn make(seed: u64) -> Measured {
    let mut random = fastrand::Rng::with_seed(seed);
    let names = [(Metric::Connect, ""), (Metric::Response, "say"), (Metric::Push, "")]
        .map(|(metric, message)| SeriesName { metric, message: message.to_owned() });
    let seconds: Vec<Second> = (0..SECONDS).map(|second| self::second(second, &names, &mut random)).collect();
    let series = |from: u32, to: u32| {
        let mut sums: Vec<Series> = Vec::new();
        for interval in seconds[from as usize..to as usize].iter().flat_map(|second| &second.intervals) {
            match sums.iter_mut().find(|sum| sum.name == interval.name) {
                Some(sum) => sum.times.add(&interval.times()),
                None => sums.push(Series { name: interval.name.clone(), times: interval.times() }),
            }
        }
        sums
    };
    let verdict = |threshold: &str, measured: &str, met| Verdict {
        threshold: threshold.to_owned(),
        measured: measured.to_owned(),
        met,
    };
    let thresholds =
        vec![verdict("p99(push) < 50ms", "41.2ms", true), verdict("reach == 100%", "99.9933%", false)];
    let rate = |what, per_second: f64, seconds: u32| Rate {
        what,
        planned: (per_second * f64::from(seconds)) as u64,
        done: (per_second * f64::from(seconds)) as u64,
        offered_per_second: Some(per_second),
        achieved_per_second: per_second * 0.998,
    };
    let hold = SECONDS - RAMP;
    let phases = vec![
        Phase {
            name: "ramp".to_owned(),
            measured: false,
            start_ns: 0,
            end_ns: u64::from(RAMP) * 1_000_000_000,
            rates: vec![rate(Offered::Connects, 50.0, RAMP)],
            series: series(0, RAMP),
            reach: Reach::default(),
            attempts: USERS + 2,
            errors: 2,
            warm_up: WarmUp::None,
            thresholds: Vec::new(),
        },
        Phase {
            name: "hold".to_owned(),
            measured: true,
            start_ns: u64::from(RAMP) * 1_000_000_000,
            end_ns: u64::from(SECONDS) * 1_000_000_000,
            rates: vec![rate(Offered::Messages, 100.0, hold), rate(Offered::Updates, 20.0, hold)],
            series: series(RAMP + 3, SECONDS),
            reach: Reach {
                expected: 60_000,
                received: 59_996,
                late: 12,
                out_of_order: 3,
                duplicates: 2,
                lost: 4,
                behind: 1,
            },
            attempts: 7_200,
            errors: 5,
            warm_up: WarmUp::Cut { seconds: 3 },
            thresholds: thresholds.clone(),
        },
    ];
    let error = |during: &str, kind: &str, count, first: &str| ErrorRow {
        during: during.to_owned(),
        kind: kind.to_owned(),
        count,
        first: first.to_owned(),
    };
    let mut lag = Times::default();
    for _ in 0..1_200 {
        record(&mut lag.0, Duration::from_micros(random.u64(20..400)));
    }
    Measured {
        run: Run {
            id: format!("{seed:08x}"),
            scenario: "steady".to_owned(),
            description: "Five hundred clients follow ten devices that update twice a second.".to_owned(),
            scenario_text: "description = \"Five hundred clients\"\n\n[users]\ncount = 500 # <all>\n"
                .to_owned(),
            overrides: vec!["users.count = 500".to_owned()],
            target: "ws://127.0.0.1:3001/dev".to_owned(),
            cause: Some("MQTT at 127.0.0.1:1883".to_owned()),
            model: Model::Open,
            seed,
            users: USERS,
            processes: 1,
            started_unix_ms: 1_795_000_000_000,
        },
        machines: vec![Machine {
            os: "Linux 6.18.0".to_owned(),
            cpu: "Processor of a sample".to_owned(),
            cpus: 2,
            memory_bytes: 8_000_000_000,
            descriptors_max: 20_000,
        }],
        revision: Revision { version: "0.1.0".to_owned(), commit: Some("1a2b3c4".to_owned()) },
        phases,
        seconds,
        errors: vec![
            error("request", "timeout", 5, "no response within 10 s"),
            error("connect", "status 429", 2, "429 Too Many Requests"),
        ],
        generator: Generator {
            cpu_seconds: 31.4,
            wall_seconds: 71.2,
            cpus_peak: 0.62,
            cpu_ns_per_message: Some(21_500.0),
            messages: 66_000,
            lag: vec![Lag { what: Offered::Updates, times: lag }],
            dropped_samples: 0,
            goose_dropped_samples: 0,
            bytes_per_user: Some(12_900.0),
            untimed_pushes: 0,
        },
        steps: None,
        thresholds,
        invalid: Vec::new(),
        ended_early: None,
        notes: vec!["the reader of connection 17 was slow".to_owned()],
    }
}

fn second(second: u32, names: &[SeriesName; 3], random: &mut fastrand::Rng) -> Second {
    let ramping = second < RAMP;
    // A stall in the middle of the run.
    let stall = if (40..43).contains(&second) { 12.0 } else { 1.0 };
    let mut latency = |median_us: f64| {
        // A body and a tail: a product of many small delays.
        let normal: f64 = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
        Duration::from_secs_f64(median_us * stall * (0.45 * normal).exp() / 1e6)
    };
    let counts = if ramping { [50, 0, 0] } else { [0, 100, 1_000] };
    let medians = [900.0, 1_400.0, 2_600.0];
    let intervals = names.iter().zip(counts).zip(medians).filter(|((_, count), _)| *count > 0);
    let intervals = intervals.filter_map(|((name, count), median)| {
        let mut times = Times::default();
        for _ in 0..count {
            record(&mut times.0, latency(median));
        }
        Interval::new(name.clone(), &times)
    });
    let intervals = intervals.collect();
    Second {
        second,
        open_sockets: if ramping { u64::from(second + 1) * 50 } else { USERS },
        connects: counts[0],
        messages: counts[1],
        updates_offered: if ramping { 0 } else { 20 },
        updates: if ramping { 0 } else { 20 },
        pushes: counts[2],
        errors: match second {
            4 => vec![(1, 2)],
            41 => vec![(0, 5)],
            _ => Vec::new(),
        },
        generator_cpus: f64::from(random.u8(30..60)) / 100.0,
        intervals,
    }
}
