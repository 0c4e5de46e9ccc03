//! From values to places on an axis, and the values that an axis names.

use crate::Unit;

/// How an axis spreads its values.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Scale {
    /// Equal differences take equal room.
    #[default]
    Linear,
    /// Equal ratios take equal room; values above 0 only.
    Log,
    /// Quantiles from 0 to below 1: each ninth takes as much room as all before the first, as in HdrHistogram's plots.
    Percentile,
    /// The numbers 0, 1, 2 … with a name each.
    Named(Vec<String>),
}

/// Names on an axis, at most; more would touch each other.
const TICKS_MAX: usize = 7;

/// Steps between moments, in seconds.
const MOMENTS: [f64; 16] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0,
    28_800.0,
];

/// Nines that an axis of percentiles has room for.
const NINES_MAX: f64 = 9.0;

/// A name on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    /// From 0, the start of the axis, to 1.
    pub(crate) at: f64,
    pub(crate) text: String,
}

/// An axis with its two ends.
#[derive(Clone, Debug)]
pub(crate) struct Range<'a> {
    scale: &'a Scale,
    unit: Unit,
    low: f64,
    high: f64,
}

impl<'a> Range<'a> {
    /// The range that all of the values fit into; `None` if no value has a place on this scale. With `from_zero`, a
    /// linear range begins at 0 if no value is below; `round` ends it at a name of the axis.
    pub(crate) fn over(
        scale: &'a Scale,
        unit: Unit,
        values: impl IntoIterator<Item = f64>,
        from_zero: bool,
        round: bool,
    ) -> Option<Self> {
        let places = values.into_iter().filter_map(|value| place(scale, value));
        let (mut low, mut high) = places
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), place| (low.min(place), high.max(place)));
        if low > high {
            return None;
        }
        match scale {
            Scale::Linear if from_zero => low = low.min(0.0),
            Scale::Percentile => low = 0.0,
            Scale::Named(names) => (low, high) = (-0.5, names.len().max(1) as f64 - 0.5),
            _ => {}
        }
        if high <= low {
            high = low + if *scale == Scale::Linear && low != 0.0 { low.abs() * 0.1 } else { 1.0 };
        }
        if round {
            match scale {
                Scale::Linear => {
                    let step = step(unit, high - low);
                    low = (low / step).floor() * step;
                    high = (high / step).ceil() * step;
                }
                Scale::Log => {
                    (low, high) = (log_below(low), -log_below(-high));
                    high = high.max(low + 1.0);
                }
                _ => {}
            }
        }
        Some(Range { scale, unit, low, high })
    }

    /// Where a value is, from 0 to 1; outside of it for values that the range was not made for.
    pub(crate) fn at(&self, value: f64) -> Option<f64> {
        place(self.scale, value).map(|place| (place - self.low) / (self.high - self.low))
    }

    /// A value as its axis writes it.
    pub(crate) fn text(&self, value: f64) -> String {
        match self.scale {
            Scale::Percentile => percentile(value),
            Scale::Named(names) => names.get(value.round().max(0.0) as usize).cloned().unwrap_or_default(),
            _ => self.unit.text(value),
        }
    }

    pub(crate) fn ticks(&self) -> Vec<Tick> {
        let tick = |place: f64, text: String| Tick { at: (place - self.low) / (self.high - self.low), text };
        match self.scale {
            Scale::Linear => {
                let step = step(self.unit, self.high - self.low);
                let first = (self.low / step - 1e-9).ceil() as i64;
                let last = (self.high / step + 1e-9).floor() as i64;
                let value = |number: i64| number as f64 * step;
                (first..=last).map(|number| tick(value(number), self.unit.tick(value(number)))).collect()
            }
            Scale::Log => {
                // Powers of ten; between them 2 and 5 where there is room.
                let decades = self.high - self.low;
                let leaves: &[f64] = if decades <= 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
                let every = (decades / TICKS_MAX as f64).ceil().max(1.0) as i32;
                let powers = (self.low.floor() as i32..=self.high.ceil() as i32).step_by(every as usize);
                let values =
                    powers.flat_map(|power| leaves.iter().map(move |leaf| leaf * 10_f64.powi(power)));
                let inside = |place: f64| place >= self.low - 1e-9 && place <= self.high + 1e-9;
                values
                    .filter(|value| inside(value.log10()))
                    .map(|value| tick(value.log10(), self.unit.tick(value)))
                    .collect()
            }
            Scale::Percentile => {
                let nines = (1..=NINES_MAX as i32).map(|nines| 1.0 - 10_f64.powi(-nines));
                let values = [0.5].into_iter().chain(nines);
                let placed = values.filter_map(|value| Some((place(self.scale, value)?, value)));
                placed
                    .filter(|(place, _)| *place <= self.high + 1e-9)
                    .map(|(place, value)| tick(place, percentile(value)))
                    .collect()
            }
            Scale::Named(names) => {
                let every = names.len().div_ceil(TICKS_MAX).max(1);
                names
                    .iter()
                    .enumerate()
                    .step_by(every)
                    .map(|(at, name)| tick(at as f64, name.clone()))
                    .collect()
            }
        }
    }
}

/// Where a value is on an endless axis.
fn place(scale: &Scale, value: f64) -> Option<f64> {
    let place = match scale {
        Scale::Linear | Scale::Named(_) => value,
        Scale::Log if value > 0.0 => value.log10(),
        Scale::Percentile if (0.0..1.0).contains(&value) => -(1.0 - value).log10(),
        Scale::Log | Scale::Percentile => return None,
    };
    place.is_finite().then_some(place.min(if *scale == Scale::Percentile { NINES_MAX } else { f64::MAX }))
}

/// The largest place of 1, 2 or 5 times a power of ten that is not above this one, or, mirrored, the smallest not below:
/// the leaves of a decade are the same places seen from above.
fn log_below(place: f64) -> f64 {
    let decade = (place + 1e-9).floor();
    let leaves = [5_f64.log10(), 2_f64.log10(), 0.0];
    let leaf = leaves.into_iter().find(|leaf| decade + leaf <= place + 1e-9).unwrap_or(0.0);
    decade + leaf
}

/// A percentage with as many digits as it has nines, and one more.
fn percentile(quantile: f64) -> String {
    let nines = -(1.0 - quantile).max(10_f64.powf(-NINES_MAX)).log10();
    let decimals = (nines.ceil() - 1.0).max(0.0) as usize;
    let text = format!("{:.decimals$}", quantile * 100.0);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} %")
}

/// The smallest round step with which the ticks are few enough.
fn step(unit: Unit, span: f64) -> f64 {
    let least = span / TICKS_MAX as f64;
    if unit == Unit::Seconds
        && let Some(step) = MOMENTS.iter().find(|step| **step >= least)
        && least > 0.5
    {
        return *step;
    }
    let power = 10_f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|leaf| leaf * power >= least * (1.0 - 1e-9));
    let step = step.unwrap_or(10.0) * power;
    // Half a thing is nothing.
    if unit == Unit::Count { step.max(1.0) } else { step }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(range: &Range<'_>) -> Vec<String> {
        range.ticks().into_iter().map(|tick| tick.text).collect()
    }

    #[test]
    fn linear_axes_name_round_values_and_end_at_one() {
        let range = Range::over(&Scale::Linear, Unit::Nanoseconds, [1e6, 8.2e6], true, true).unwrap();
        assert_eq!(texts(&range), ["0", "2 ms", "4 ms", "6 ms", "8 ms", "10 ms"]);
        assert_eq!(range.at(5e6), Some(0.5));
        let count = Range::over(&Scale::Linear, Unit::Count, [1.0, 2.0], true, true).unwrap();
        assert_eq!(texts(&count), ["0", "1", "2"]);
        let negative = Range::over(&Scale::Linear, Unit::Share, [-0.04, 0.02], true, true).unwrap();
        assert_eq!(negative.ticks()[0].text, "-4 %");
    }

    #[test]
    fn moments_have_the_steps_of_a_clock() {
        let range = Range::over(&Scale::Linear, Unit::Seconds, [0.0, 200.0], true, false).unwrap();
        assert_eq!(texts(&range), ["0", "30 s", "60 s", "90 s", "2:00 min", "2:30 min", "3:00 min"]);
        assert_eq!(range.ticks()[0].at, 0.0);
    }

    #[test]
    fn each_nine_takes_the_same_room() {
        let range =
            Range::over(&Scale::Percentile, Unit::Share, [0.5, 0.9999, 1.0, f64::NAN], false, false).unwrap();
        assert_eq!(texts(&range), ["50 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
        let [nine, two] = [0.9, 0.99].map(|value| range.at(value).unwrap());
        assert!((two - 2.0 * nine).abs() < 1e-9);
        assert_eq!(
            [0.878_847, 0.985_322, 0.999_64].map(|value| range.text(value)),
            ["88 %", "98.5 %", "99.964 %"]
        );
        // The largest value has no place on an axis that never ends.
        assert_eq!(range.at(1.0), None);
    }

    #[test]
    fn log_axes_begin_and_end_at_one_two_or_five() {
        let range = Range::over(&Scale::Log, Unit::Nanoseconds, [0.0, 3e5, 4.1e7], false, true).unwrap();
        assert_eq!(texts(&range), ["200 µs", "500 µs", "1 ms", "2 ms", "5 ms", "10 ms", "20 ms", "50 ms"]);
        assert_eq!((range.at(2e5), range.at(5e7)), (Some(0.0), Some(1.0)));
        let narrow = Range::over(&Scale::Log, Unit::Ratio, [1.0, 1.0], false, true).unwrap();
        assert_eq!(texts(&narrow), ["1 ×", "2 ×", "5 ×", "10 ×"]);
        assert_eq!(range.at(-1.0), None);
    }

    #[test]
    fn names_thin_out() {
        let scale = Scale::Named((0..20).map(|number| format!("r{number}")).collect());
        let range = Range::over(&scale, Unit::Count, [0.0, 19.0], false, false).unwrap();
        assert_eq!(range.ticks().len(), 7);
        assert_eq!((range.text(4.0), range.text(99.0)), ("r4".to_owned(), String::new()));
    }

    #[test]
    fn nothing_makes_no_range() {
        assert!(Range::over(&Scale::Linear, Unit::Count, [f64::NAN], true, true).is_none());
        assert!(Range::over(&Scale::Log, Unit::Count, [0.0, -1.0], true, true).is_none());
    }
}
