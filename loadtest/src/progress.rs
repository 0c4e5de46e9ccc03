//! What is seen while a run goes on: a few live lines on a terminal, plain lines elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::Duration;

use dunlin_report::Unit;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::recorder::lock;

/// Where nobody redraws lines, one this often; a new phase is said at once.
const PLAIN_LINES_EVERY: Duration = Duration::from_secs(10);

/// Where a run is, and what it measured in the last second.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// The phase, or what else is being done: `connecting`, `waiting for the last`.
    pub(crate) phase: String,
    /// Since the start of the run.
    pub(crate) elapsed: Duration,
    /// Of the whole run, if that is known.
    pub(crate) total: Option<Duration>,
    /// WebSockets that are open.
    pub(crate) sockets: u64,
    /// What leaves, by its name: done in the last second, and offered by the schedule if there is one.
    pub(crate) rates: Vec<(&'static str, u64, Option<f64>)>,
    /// Pushes that arrived in the last second.
    pub(crate) pushes: u64,
    /// The median and the 99th percentile of the last second, by the name of the series.
    pub(crate) latency: Option<(String, Duration, Duration)>,
    /// Deliveries that happened and that were due so far. Those under way are due and have not happened.
    pub(crate) reach: Option<(u64, u64)>,
    /// Errors so far.
    pub(crate) errors: u64,
}

/// The live lines of a run, on standard error.
pub(crate) struct Progress(Shown);

enum Shown {
    Nothing,
    Live(ProgressBar),
    Plain(Mutex<Plain>),
}

/// Which plain line was last.
#[derive(Debug, Default)]
struct Plain {
    phase: String,
    elapsed: Duration,
}

impl Progress {
    /// Live lines where standard error is a terminal, plain ones elsewhere, none unless `wanted`. Colours follow
    /// `NO_COLOR`.
    pub(crate) fn new(wanted: bool) -> Progress {
        Progress(match wanted {
            false => Shown::Nothing,
            true if io::stderr().is_terminal() => {
                let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
                bar.enable_steady_tick(Duration::from_millis(250));
                Shown::Live(bar)
            }
            true => Shown::Plain(Mutex::default()),
        })
    }

    /// Shows where the run is. About once a second.
    pub(crate) fn show(&self, snapshot: &Snapshot) {
        match &self.0 {
            Shown::Nothing => {}
            Shown::Live(bar) => {
                bar.set_style(style(snapshot.total.is_some()));
                bar.set_length(snapshot.total.map_or(0, |total| total.as_secs()));
                bar.set_position(snapshot.elapsed.as_secs());
                bar.set_prefix(snapshot.phase.clone());
                let time = match snapshot.total {
                    Some(total) => format!("{} of {}", clock(snapshot.elapsed), clock(total)),
                    None => clock(snapshot.elapsed),
                };
                bar.set_message(format!("{time}\n  {}\n  {}", snapshot.traffic(), snapshot.outcome()));
            }
            Shown::Plain(last) => {
                if let Some(line) = lock(last).line(snapshot) {
                    // Nobody reads it, then.
                    let _ = writeln!(io::stderr(), "{line}");
                }
            }
        }
    }

    /// Takes the live lines away.
    pub(crate) fn finish(&self) {
        if let Shown::Live(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn style(with_bar: bool) -> ProgressStyle {
    let template = if with_bar {
        "{prefix:<12.bold} {bar:32.cyan} {msg}"
    } else {
        "{spinner:.cyan} {prefix:<12.bold} {msg}"
    };
    ProgressStyle::with_template(template)
        .expect("the templates are constants with known keys")
        .progress_chars("━━─")
}

impl Plain {
    /// The line for a snapshot, if it is time for one.
    fn line(&mut self, snapshot: &Snapshot) -> Option<String> {
        let due = snapshot.phase != self.phase || snapshot.elapsed >= self.elapsed + PLAIN_LINES_EVERY;
        due.then(|| {
            *self = Plain { phase: snapshot.phase.clone(), elapsed: snapshot.elapsed };
            let (time, phase) = (clock(snapshot.elapsed), &snapshot.phase);
            format!("{time} {phase}: {}; {}", snapshot.traffic(), snapshot.outcome())
        })
    }
}

impl Snapshot {
    /// Sockets and rates.
    fn traffic(&self) -> String {
        let mut parts = vec![format!("{} sockets", Unit::Count.text(self.sockets as f64))];
        for (what, done, offered) in &self.rates {
            let offered =
                offered.map(|rate| format!(" of {}", Unit::PerSecond.text(rate))).unwrap_or_default();
            parts.push(format!("{what} {}{offered}", Unit::Count.text(*done as f64)));
        }
        parts.push(format!("pushes {}", Unit::PerSecond.text(self.pushes as f64)));
        parts.join(" · ")
    }

    /// Latency, reach and errors.
    fn outcome(&self) -> String {
        let time = |time: Duration| Unit::Nanoseconds.text(time.as_nanos() as f64);
        let mut parts = Vec::new();
        if let Some((name, p50, p99)) = &self.latency {
            parts.push(format!("{name} p50 {}, p99 {}", time(*p50), time(*p99)));
        }
        if let Some((received, expected)) = self.reach.filter(|(_, expected)| *expected > 0) {
            parts.push(format!("reach {}", Unit::Share.text(received as f64 / expected as f64)));
        }
        parts.push(match self.errors {
            1 => "1 error".to_owned(),
            errors => format!("{} errors", Unit::Count.text(errors as f64)),
        });
        parts.join(" · ")
    }
}

/// `1:05`, `1:00:00`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds / 3_600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(phase: &str, seconds: u64) -> Snapshot {
        Snapshot {
            phase: phase.to_owned(),
            elapsed: Duration::from_secs(seconds),
            total: Some(Duration::from_secs(120)),
            sockets: 1_000,
            rates: vec![("updates", 19, Some(20.0)), ("connects", 0, None)],
            pushes: 1_980,
            latency: Some(("push".to_owned(), Duration::from_micros(1_230), Duration::from_micros(4_800))),
            reach: Some((9_999, 10_000)),
            errors: 1,
        }
    }

    #[test]
    fn plain_lines_say_everything() {
        assert_eq!(
            Plain::default().line(&snapshot("hold", 42)).unwrap(),
            "0:42 hold: 1,000 sockets · updates 19 of 20.0 /s · connects 0 · pushes 1,980 /s; \
             push p50 1.23 ms, p99 4.80 ms · reach 99.99 % · 1 error"
        );
        let nothing = Snapshot { phase: "connecting".to_owned(), ..Snapshot::default() };
        let line = Plain::default().line(&nothing).unwrap();
        assert_eq!(line, "0:00 connecting: 0 sockets · pushes 0 /s; 0 errors");
    }

    #[test]
    fn plain_lines_come_with_each_phase_and_every_ten_seconds() {
        let mut plain = Plain::default();
        let lines: Vec<u64> = (0..30)
            .filter(|second| {
                plain.line(&snapshot(if *second < 5 { "ramp" } else { "hold" }, *second)).is_some()
            })
            .collect();
        assert_eq!(lines, [0, 5, 15, 25]);
    }

    #[test]
    fn styles_are_what_indicatif_understands() {
        style(true);
        style(false);
    }

    #[test]
    fn clocks_have_hours_when_needed() {
        assert_eq!(
            [5, 65, 3_661].map(|seconds| clock(Duration::from_secs(seconds))),
            ["0:05", "1:05", "1:01:01"]
        );
    }
}
