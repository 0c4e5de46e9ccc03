//! Thresholds: `p99(push) < 50ms`, `reach == 100%`, `errors < 0.1%`.
//!
//! | left side | value | of |
//! | --- | --- | --- |
//! | `p50(S)`, `p99.9(S)`, `mean(S)`, `max(S)` | a time | the series `S`: `push`, `connect`, `tcp`, `tls`, `first_byte`, `upgrade`, `response`, `post`; with a message type `response.echo`, without one all types together |
//! | `reach` | a share | deliveries that happened, of those that were due |
//! | `late`, `lost`, `behind`, `duplicates`, `out_of_order` | a share or a count | of deliveries that were due |
//! | `errors` | a share or a count | of attempts |
//! | `achieved(W)` | a share | of what was planned; `W` is `connects`, `messages` or `updates` |
//!
//! A threshold on something without a value, such as the latency of pushes where none came, is not met.

use std::time::Duration;

use crate::measured::{Measured, Metric, Offered, Phase, Reach, Times, Verdict};
use crate::scenario::parse_time;

/// A threshold, parsed.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Threshold {
    text: String,
    subject: Subject,
    comparison: Comparison,
    limit: Limit,
}

#[derive(Clone, PartialEq, Debug)]
enum Subject {
    Latency { of: Statistic, metric: Metric, message: Option<String> },
    Reach,
    Deliveries(Deliveries),
    Errors,
    Achieved(Offered),
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Statistic {
    Quantile(f64),
    Mean,
    Max,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Deliveries {
    Late,
    Lost,
    Behind,
    Duplicates,
    OutOfOrder,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Comparison {
    Less,
    AtMost,
    More,
    AtLeast,
    Equal,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Limit {
    Time(Duration),
    /// In percent, so that what is written and what is divided round alike.
    Share(f64),
    Count(f64),
}

const METRICS: [Metric; 8] = [
    Metric::Connect,
    Metric::Tcp,
    Metric::Tls,
    Metric::FirstByte,
    Metric::Upgrade,
    Metric::Response,
    Metric::Post,
    Metric::Push,
];
const OFFERED: [Offered; 3] = [Offered::Connects, Offered::Messages, Offered::Updates];
const DELIVERIES: [(&str, Deliveries); 5] = [
    ("late", Deliveries::Late),
    ("lost", Deliveries::Lost),
    ("behind", Deliveries::Behind),
    ("duplicates", Deliveries::Duplicates),
    ("out_of_order", Deliveries::OutOfOrder),
];

/// Parses a threshold.
///
/// # Errors
///
/// A sentence that quotes the threshold and says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Threshold, String> {
    let wrong = |reason: String| format!("`{text}` is no threshold: {reason}");
    let (left, comparison, right) = [
        ("<=", Comparison::AtMost),
        (">=", Comparison::AtLeast),
        ("==", Comparison::Equal),
        ("<", Comparison::Less),
        (">", Comparison::More),
    ]
    .into_iter()
    .find_map(|(sign, comparison)| {
        text.split_once(sign).map(|(left, right)| (left.trim(), comparison, right.trim()))
    })
    .ok_or_else(|| wrong("it compares nothing; write it like `p99(push) < 50ms`".to_owned()))?;
    let subject = subject(left).map_err(wrong)?;
    let limit = limit(right).map_err(wrong)?;
    let fits = match (&subject, limit) {
        (Subject::Latency { .. }, limit) => matches!(limit, Limit::Time(_)),
        (Subject::Reach | Subject::Achieved(_), limit) => matches!(limit, Limit::Share(_)),
        (Subject::Deliveries(_) | Subject::Errors, limit) => !matches!(limit, Limit::Time(_)),
    };
    if !fits {
        let needs = match subject {
            Subject::Latency { .. } => "a time, such as `50ms`",
            Subject::Reach | Subject::Achieved(_) => "a share, such as `99.9%`",
            Subject::Deliveries(_) | Subject::Errors => "a share, such as `0.1%`, or a count",
        };
        return Err(wrong(format!("`{left}` is compared with {needs}, not with `{right}`")));
    }
    Ok(Threshold { text: text.trim().to_owned(), subject, comparison, limit })
}

fn subject(text: &str) -> Result<Subject, String> {
    if let Some((function, argument)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        let (function, argument) = (function.trim(), argument.trim());
        if function == "achieved" {
            let what = OFFERED.into_iter().find(|offered| offered.to_string() == argument);
            return what.map(Subject::Achieved).ok_or_else(|| {
                format!("`{argument}` is nothing that is offered; there are connects, messages and updates")
            });
        }
        let of = match function {
            "mean" => Statistic::Mean,
            "max" => Statistic::Max,
            _ => {
                let percent: Option<f64> = function.strip_prefix('p').and_then(|number| number.parse().ok());
                let percent = percent.filter(|percent| (0.0..=100.0).contains(percent)).ok_or_else(|| {
                    format!("`{function}` is no figure of a latency; there are p0 to p100, mean and max")
                })?;
                Statistic::Quantile(percent / 100.0)
            }
        };
        let (metric, message) = match argument.split_once('.') {
            Some((metric, message)) => (metric, Some(message.to_owned())),
            None => (argument, None),
        };
        let metric = METRICS.into_iter().find(|known| known.to_string() == metric).ok_or_else(|| {
            let names: Vec<String> = METRICS.iter().map(Metric::to_string).collect();
            format!("`{metric}` is not measured; there are {}", names.join(", "))
        })?;
        return Ok(Subject::Latency { of, metric, message });
    }
    match text {
        "reach" => Ok(Subject::Reach),
        "errors" => Ok(Subject::Errors),
        other => DELIVERIES.iter().find(|(name, _)| *name == other).map(|(_, what)| Subject::Deliveries(*what)).ok_or_else(
            || {
                format!(
                    "`{other}` is not measured; there are reach, late, lost, behind, duplicates, out_of_order, errors, p99(push) and the like, and achieved(updates)"
                )
            },
        ),
    }
}

fn limit(text: &str) -> Result<Limit, String> {
    let number =
        |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    if let Some(percent) = text.strip_suffix('%') {
        return number(percent).map(Limit::Share).ok_or_else(|| format!("`{text}` is no share"));
    }
    match number(text) {
        Some(number) => Ok(Limit::Count(number)),
        None => parse_time(text).map(Limit::Time).map_err(|_| format!("`{text}` is no time, share or count")),
    }
}

impl Threshold {
    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Of a threshold on a latency: which one, and the bound.
    pub(crate) fn latency(&self) -> Option<(Metric, Option<&str>, Duration)> {
        match (&self.subject, self.limit) {
            (Subject::Latency { metric, message, .. }, Limit::Time(limit)) => {
                Some((*metric, message.as_deref(), limit))
            }
            _ => None,
        }
    }

    /// The verdict over the measured phases.
    pub(crate) fn verdict(&self, measured: &Measured) -> Verdict {
        let phases: Vec<&Phase> = measured.phases.iter().filter(|phase| phase.measured).collect();
        self.over(&phases)
    }

    /// The verdict on one phase.
    pub(crate) fn verdict_on(&self, phase: &Phase) -> Verdict {
        self.over(&[phase])
    }

    fn over(&self, phases: &[&Phase]) -> Verdict {
        let value = self.value(phases);
        let (met, measured) = match (value, self.limit) {
            (None, _) => (false, "no value".to_owned()),
            (Some(ns), Limit::Time(limit)) => (self.compare(ns, limit.as_nanos() as f64), time(ns)),
            (Some(share), Limit::Share(limit)) => (self.compare(share, limit), share_text(share)),
            (Some(count), Limit::Count(limit)) => (self.compare(count, limit), count.to_string()),
        };
        Verdict { threshold: self.text.clone(), measured, met }
    }

    fn compare(&self, value: f64, limit: f64) -> bool {
        match self.comparison {
            Comparison::Less => value < limit,
            Comparison::AtMost => value <= limit,
            Comparison::More => value > limit,
            Comparison::AtLeast => value >= limit,
            Comparison::Equal => value == limit,
        }
    }

    /// In nanoseconds, in percent, or a count, as the limit is.
    fn value(&self, phases: &[&Phase]) -> Option<f64> {
        let is_count = matches!(self.limit, Limit::Count(_));
        let of = |part: u64, whole: u64| match is_count {
            true => Some(part as f64),
            false => (whole > 0).then(|| part as f64 * 100.0 / whole as f64),
        };
        match &self.subject {
            Subject::Latency { of, metric, message } => {
                let mut times = Times::default();
                for series in phases.iter().flat_map(|phase| &phase.series) {
                    let named = message.as_ref().is_none_or(|message| *message == series.name.message);
                    if series.name.metric == *metric && named {
                        times.add(&series.times);
                    }
                }
                let times = times.0;
                (!times.is_empty()).then(|| match of {
                    Statistic::Quantile(quantile) => {
                        times.value_at_quantile(*quantile).min(times.max()) as f64
                    }
                    Statistic::Mean => times.mean(),
                    Statistic::Max => times.max() as f64,
                })
            }
            Subject::Reach => {
                let reach = reach(phases);
                of(reach.received, reach.expected)
            }
            Subject::Deliveries(what) => {
                let reach = reach(phases);
                let part = match what {
                    Deliveries::Late => reach.late,
                    Deliveries::Lost => reach.lost,
                    Deliveries::Behind => reach.behind,
                    Deliveries::Duplicates => reach.duplicates,
                    Deliveries::OutOfOrder => reach.out_of_order,
                };
                of(part, reach.expected)
            }
            Subject::Errors => {
                let sum = |count: fn(&Phase) -> u64| phases.iter().map(|phase| count(phase)).sum::<u64>();
                let (errors, attempts) = (sum(|phase| phase.errors), sum(|phase| phase.attempts));
                // Errors without an attempt in the phase, such as connections that end, are all of what happened.
                of(errors, attempts.max(errors)).or((errors == 0 && attempts == 0).then_some(0.0))
            }
            Subject::Achieved(what) => {
                let rates: Vec<_> =
                    phases.iter().flat_map(|phase| &phase.rates).filter(|rate| rate.what == *what).collect();
                of(rates.iter().map(|rate| rate.done).sum(), rates.iter().map(|rate| rate.planned).sum())
            }
        }
    }
}

fn reach(phases: &[&Phase]) -> Reach {
    let mut sum = Reach::default();
    phases.iter().for_each(|phase| sum += phase.reach);
    sum
}

fn time(ns: f64) -> String {
    match ns {
        ns if ns < 1e6 => format!("{:.0}us", ns / 1e3),
        ns if ns < 1e9 => format!("{:.2}ms", ns / 1e6),
        ns => format!("{:.2}s", ns / 1e9),
    }
}

/// Rounded towards the fault: 99.99999 % is not all.
fn share_text(percent: f64) -> String {
    let percent = if percent < 100.0 { (percent * 1e4).floor() / 1e4 } else { percent };
    format!("{percent}%")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram;
    use crate::measured::{Rate, Series, SeriesName, WarmUp};

    fn phase() -> Phase {
        let mut times = Times::default();
        for (us, count) in [(1_024u64, 60), (8_192, 39), (65_536, 1)] {
            for _ in 0..count {
                histogram::record(&mut times.0, Duration::from_micros(us));
            }
        }
        let name = |metric, message: &str| SeriesName { metric, message: message.to_owned() };
        Phase {
            name: "hold".to_owned(),
            measured: true,
            start_ns: 0,
            end_ns: 1_000_000_000,
            rates: vec![Rate {
                what: Offered::Updates,
                planned: 200,
                done: 190,
                offered_per_second: Some(200.0),
                achieved_per_second: 190.0,
            }],
            series: vec![
                Series { name: name(Metric::Push, "update"), times: times.clone() },
                Series { name: name(Metric::Response, "echo"), times },
            ],
            reach: Reach { expected: 1_000, received: 999, lost: 1, duplicates: 5, ..Reach::default() },
            attempts: 1_000,
            errors: 2,
            warm_up: WarmUp::None,
            thresholds: Vec::new(),
        }
    }

    #[track_caller]
    fn check(text: &str, met: bool, measured: &str) {
        let verdict = parse(text).unwrap().verdict_on(&phase());
        assert_eq!((verdict.met, verdict.measured.as_str()), (met, measured), "{text}");
        assert_eq!(verdict.threshold, text);
    }

    #[test]
    fn thresholds_are_judged_by_their_values() {
        check("p50(push) < 2ms", true, "1.02ms");
        check("p99(push) < 5ms", false, "8.20ms");
        check("p99(response.echo) <= 1s", true, "8.20ms");
        check("p99(response.other) <= 1s", false, "no value");
        check("max(response) > 60ms", true, "65.57ms");
        check("mean(push) >= 4ms", true, "4.47ms");
        check("reach == 100%", false, "99.9%");
        check("reach >= 99.9%", true, "99.9%");
        check("lost == 0", false, "1");
        check("duplicates < 1%", true, "0.5%");
        check("late == 0%", true, "0%");
        check("errors < 0.1%", false, "0.2%");
        check("errors <= 2", true, "2");
        check("achieved(updates) >= 95%", true, "95%");
        check("achieved(connects) >= 95%", false, "no value");
    }

    #[test]
    fn what_is_no_threshold_says_why() {
        for (text, expected) in [
            ("p99(push)", "it compares nothing"),
            ("p99(psh) < 5ms", "`psh` is not measured; there are connect, tcp"),
            ("p101(push) < 5ms", "`p101` is no figure"),
            ("p99(push) < 5", "compared with a time"),
            ("p99(push) < 5 parsecs", "no time, share or count"),
            ("reach == 1", "compared with a share"),
            ("errors < 1s", "a share, such as `0.1%`, or a count"),
            ("speed > 1", "`speed` is not measured"),
            ("achieved(pushes) > 1%", "there are connects, messages and updates"),
            ("", "it compares nothing"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected) && error.contains(&format!("`{text}`")), "{error}");
        }
    }

    #[test]
    fn nearly_all_is_not_all() {
        assert_eq!(share_text(99.999_99), "99.9999%");
        assert_eq!(share_text(100.0), "100%");
    }
}
