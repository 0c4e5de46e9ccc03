//! Several parts of one run, added up.
//!
//! Histograms are added, never percentiles: the 99th percentile of a sum is in no way the mean of the parts'.

use crate::LoadError;
use crate::measured::{ErrorRow, Generator, Lag, Measured, Phase, Rate, Second, Series, WarmUp};

/// Parts whose schedules began further apart than this did not load the target together; the report says so.
const STARTS_APART_MAX_MS: u64 = 5_000;

/// Adds up the parts of a run, each with the name that errors call it by; they are taken one after the other. Verdicts
/// and reasons do not add up: `judge` makes them again.
///
/// # Errors
///
/// `Usage` if there is no part, or two are not of one run: another scenario, other phases, another target. Also the error
/// of a part.
pub fn merge(
    parts: impl IntoIterator<Item = Result<(String, Measured), LoadError>>,
    judge: impl FnOnce(&mut Measured) -> Result<(), LoadError>,
) -> Result<Measured, LoadError> {
    let mut parts = parts.into_iter();
    let Some((first_name, mut sum)) = parts.next().transpose()? else {
        return Err(LoadError::Usage("there is nothing to merge: name the folders of the parts".to_owned()));
    };
    let mut starts = (sum.run.started_unix_ms, sum.run.started_unix_ms);
    for part in parts {
        let (name, part) = part?;
        if let Some(difference) = difference(&sum, &part) {
            return Err(LoadError::Usage(format!(
                "{name} and {first_name} are not parts of one run: {difference}"
            )));
        }
        starts = (starts.0.min(part.run.started_unix_ms), starts.1.max(part.run.started_unix_ms));
        add(&mut sum, part);
    }
    sort_errors(&mut sum);
    let apart = starts.1 - starts.0;
    if apart > STARTS_APART_MAX_MS {
        sum.notes.push(format!(
            "the parts began up to {:.1} s apart, so that the same second of two parts is not the same moment",
            apart as f64 / 1e3
        ));
    }
    judge(&mut sum)?;
    Ok(sum)
}

/// Most frequent first. Seconds know the rows by their places, and follow them.
fn sort_errors(sum: &mut Measured) {
    let mut order: Vec<usize> = (0..sum.errors.len()).collect();
    order.sort_by_key(|place| std::cmp::Reverse(sum.errors[*place].count));
    sum.errors = order.iter().map(|place| sum.errors[*place].clone()).collect();
    for (row, _) in sum.seconds.iter_mut().flat_map(|second| &mut second.errors) {
        *row = order.iter().position(|place| *place == *row as usize).unwrap_or(0) as u32;
    }
}

/// Why two parts cannot be of one run.
fn difference(sum: &Measured, part: &Measured) -> Option<String> {
    let (a, b) = (&sum.run, &part.run);
    let names = |measured: &Measured| {
        measured.phases.iter().map(|phase| phase.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let common = sum.phases.len().min(part.phases.len());
    let shorter = if sum.phases.len() < part.phases.len() { sum } else { part };
    let may_be_shorter = shorter.steps.is_some() || shorter.ended_early.is_some();
    let is_prefix = sum.phases.iter().zip(&part.phases).all(|(a, b)| a.name == b.name);
    let has_all = common == sum.phases.len().max(part.phases.len());
    let differs = |what: &str, a: &str, b: &str| Some(format!("{what} is `{b}` here and `{a}` there"));
    if a.scenario != b.scenario {
        return differs("the scenario", &a.scenario, &b.scenario);
    }
    if a.scenario_text != b.scenario_text {
        return Some(format!("their files of the scenario `{}` differ", a.scenario));
    }
    if a.overrides != b.overrides {
        return differs("what the command line changed", &a.overrides.join(", "), &b.overrides.join(", "));
    }
    if a.target != b.target {
        return differs("the target", &a.target, &b.target);
    }
    if a.model != b.model {
        return Some("one is of an open model and the other of a closed one".to_owned());
    }
    // Of steps, and of a run that was interrupted, not every part may have come equally far.
    if !is_prefix || !(has_all || may_be_shorter) {
        return differs("the list of phases", &names(sum), &names(part));
    }
    (sum.steps.is_some() != part.steps.is_some()).then(|| "only one of them has steps".to_owned())
}

fn add(sum: &mut Measured, part: Measured) {
    sum.run.users += part.run.users;
    sum.run.processes += part.run.processes;
    sum.run.started_unix_ms = sum.run.started_unix_ms.min(part.run.started_unix_ms);
    for machine in part.machines {
        if !sum.machines.contains(&machine) {
            sum.machines.push(machine);
        }
    }
    if sum.revision != part.revision {
        let name = part.revision.commit.as_ref().unwrap_or(&part.revision.version);
        note(sum, format!("a part was measured by another build of the swarm, {name}"));
    }
    let common = sum.phases.len().min(part.phases.len());
    if common < sum.phases.len().max(part.phases.len()) {
        sum.phases.truncate(common);
        note(sum, "not every part came to the last phases, which are left out".to_owned());
    }
    for (phase, other) in sum.phases.iter_mut().zip(part.phases) {
        add_phase(phase, other);
    }
    add_seconds(sum, part.seconds, &part.errors);
    add_generator(&mut sum.generator, part.generator);
    if let (Some(steps), Some(other)) = (&mut sum.steps, part.steps) {
        // What all parts bore together is what the weakest bore.
        let load = |step: &Option<(String, f64)>| step.as_ref().map_or(0.0, |(_, load)| *load);
        if load(&other.last_good) < load(&steps.last_good) {
            *steps = other;
        }
    }
    for text in part.notes {
        note(sum, text);
    }
    sum.ended_early = sum.ended_early.take().or(part.ended_early);
}

fn note(sum: &mut Measured, text: String) {
    if !sum.notes.contains(&text) {
        sum.notes.push(text);
    }
}

fn add_phase(sum: &mut Phase, part: Phase) {
    sum.start_ns = sum.start_ns.min(part.start_ns);
    sum.end_ns = sum.end_ns.max(part.end_ns);
    for Rate { what, planned, done, offered_per_second, achieved_per_second } in part.rates {
        match sum.rates.iter_mut().find(|rate| rate.what == what) {
            Some(rate) => {
                rate.planned += planned;
                rate.done += done;
                rate.offered_per_second = rate.offered_per_second.zip(offered_per_second).map(|(a, b)| a + b);
                rate.achieved_per_second += achieved_per_second;
            }
            None => {
                sum.rates.push(Rate { what, planned, done, offered_per_second, achieved_per_second });
            }
        }
    }
    add_series(&mut sum.series, part.series);
    sum.reach += part.reach;
    sum.attempts += part.attempts;
    sum.errors += part.errors;
    sum.warm_up = longer(sum.warm_up, part.warm_up);
}

fn add_series(sum: &mut Vec<Series>, part: Vec<Series>) {
    for series in part {
        match sum.iter_mut().find(|known| known.name == series.name) {
            Some(known) => known.times.add(&series.times),
            None => sum.push(series),
        }
    }
}

fn longer(a: WarmUp, b: WarmUp) -> WarmUp {
    match (a, b) {
        (WarmUp::NeverSettled, _) | (_, WarmUp::NeverSettled) => WarmUp::NeverSettled,
        (WarmUp::Cut { seconds: a }, WarmUp::Cut { seconds: b }) => WarmUp::Cut { seconds: a.max(b) },
        (WarmUp::Cut { seconds }, _) | (_, WarmUp::Cut { seconds }) => WarmUp::Cut { seconds },
        (WarmUp::TooShort, _) | (_, WarmUp::TooShort) => WarmUp::TooShort,
        (WarmUp::None, WarmUp::None) => WarmUp::None,
    }
}

/// Seconds know errors by their places among the rows, and both lists have theirs.
fn add_seconds(sum: &mut Measured, part: Vec<Second>, rows: &[ErrorRow]) {
    let places: Vec<u32> = rows
        .iter()
        .map(|row| {
            let known =
                sum.errors.iter().position(|known| known.during == row.during && known.kind == row.kind);
            let place = known.unwrap_or_else(|| {
                sum.errors.push(ErrorRow { count: 0, ..row.clone() });
                sum.errors.len() - 1
            });
            sum.errors[place].count += row.count;
            place as u32
        })
        .collect();
    for second in part {
        let at = second.second as usize;
        while sum.seconds.len() <= at {
            sum.seconds.push(Second { second: sum.seconds.len() as u32, ..Second::default() });
        }
        let known = &mut sum.seconds[at];
        known.open_sockets += second.open_sockets;
        known.connects += second.connects;
        known.messages += second.messages;
        known.updates_offered += second.updates_offered;
        known.updates += second.updates;
        known.pushes += second.pushes;
        known.generator_cpus += second.generator_cpus;
        for (row, count) in second.errors {
            let Some(&place) = places.get(row as usize) else { continue };
            match known.errors.iter_mut().find(|(known, _)| *known == place) {
                Some((_, known)) => *known += count,
                None => known.errors.push((place, count)),
            }
        }
        for interval in second.intervals {
            match known.intervals.iter_mut().find(|known| known.name == interval.name) {
                Some(known) => known.add(&interval),
                None => known.intervals.push(interval),
            }
        }
    }
}

fn add_generator(sum: &mut Generator, part: Generator) {
    let weighed = |generator: &Generator| Some(generator.cpu_ns_per_message? * generator.messages as f64);
    let total = weighed(sum).zip(weighed(&part)).map(|(a, b)| a + b).or(weighed(sum)).or(weighed(&part));
    sum.messages += part.messages;
    sum.cpu_ns_per_message = total.filter(|_| sum.messages > 0).map(|total| total / sum.messages as f64);
    sum.cpu_seconds += part.cpu_seconds;
    sum.wall_seconds = sum.wall_seconds.max(part.wall_seconds);
    sum.cpus_peak += part.cpus_peak;
    for Lag { what, times } in part.lag {
        match sum.lag.iter_mut().find(|lag| lag.what == what) {
            Some(lag) => lag.times.add(&times),
            None => sum.lag.push(Lag { what, times }),
        }
    }
    sum.dropped_samples += part.dropped_samples;
    sum.goose_dropped_samples += part.goose_dropped_samples;
    sum.bytes_per_user = sum.bytes_per_user.into_iter().chain(part.bytes_per_user).reduce(f64::max);
    sum.untimed_pushes += part.untimed_pushes;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measured::{Metric, Model, Reach, SeriesName};
    use crate::results::sample;

    fn parts(parts: Vec<Measured>) -> Result<Measured, LoadError> {
        let named = parts.into_iter().enumerate().map(|(number, part)| Ok((format!("part {number}"), part)));
        merge(named, |_| Ok(()))
    }

    #[test]
    fn histograms_and_counts_add_up() {
        let [a, b] = [sample::measured(1), sample::measured(2)];
        let push = SeriesName { metric: Metric::Push, message: String::new() };
        let sum = parts(vec![a.clone(), b.clone()]).unwrap();
        let mut expected = a.measured_times(&push);
        expected.add(&b.measured_times(&push));
        assert_eq!(sum.measured_times(&push), expected);
        assert_eq!(
            sum.measured_reach(),
            Reach {
                expected: 120_000,
                received: 119_992,
                late: 24,
                out_of_order: 6,
                duplicates: 4,
                lost: 8,
                behind: 2,
            }
        );
        assert_eq!((sum.run.users, sum.run.processes), (1_000, 2));
        assert_eq!(sum.seconds[30].pushes, 2_000);
        assert_eq!(sum.seconds[30].intervals[1].count, 2_000);
        assert_eq!(sum.phases[1].rates[1].offered_per_second, Some(40.0));
        assert_eq!(sum.generator.cpu_ns_per_message, Some(21_500.0));
        assert_eq!((sum.generator.messages, sum.generator.lag[0].times.0.len()), (132_000, 2_400));
        // One host, and one remark, however many processes.
        assert_eq!((sum.machines.len(), sum.notes.len()), (1, 1));
    }

    #[test]
    fn errors_are_added_by_their_rows_and_seconds_follow() {
        let a = sample::measured(1);
        let mut b = sample::measured(2);
        // The other order, and a third kind that is the most frequent.
        b.errors.reverse();
        b.errors.push(ErrorRow { kind: "close 1001".to_owned(), count: 50, ..b.errors[0].clone() });
        for second in &mut b.seconds {
            second.errors.iter_mut().for_each(|(row, _)| *row = 1 - *row);
        }
        b.seconds[9].errors.push((2, 50));
        let sum = parts(vec![a, b]).unwrap();
        let rows: Vec<_> = sum.errors.iter().map(|row| (row.kind.as_str(), row.count)).collect();
        assert_eq!(rows, [("close 1001", 50), ("timeout", 10), ("status 429", 4)]);
        for (second, errors) in [(4, (2, 4)), (9, (0, 50)), (41, (1, 10))] {
            assert_eq!(sum.seconds[second].errors, [errors], "second {second}");
        }
    }

    #[test]
    fn parts_of_different_runs_are_refused_in_a_sentence() {
        let changed = |change: fn(&mut Measured)| {
            let mut part = sample::measured(2);
            change(&mut part);
            parts(vec![sample::measured(1), part]).unwrap_err().to_string()
        };
        let begin = "part 1 and part 0 are not parts of one run: ";
        for (error, expected) in [
            (
                changed(|part| part.run.scenario = "soak".to_owned()),
                "the scenario is `soak` here and `steady` there",
            ),
            (changed(|part| part.run.scenario_text.push('#')), "their files of the scenario `steady` differ"),
            (changed(|part| part.run.overrides.clear()), "what the command line changed is `` here"),
            (changed(|part| part.run.target.push('x')), "the target is `ws://127.0.0.1:3001/devx` here"),
            (changed(|part| part.run.model = Model::Closed), "one is of an open model"),
            (
                changed(|part| part.phases[1].name = "step 1".to_owned()),
                "the list of phases is `ramp, step 1` here",
            ),
            (changed(|part| part.phases.truncate(1)), "the list of phases is `ramp` here"),
        ] {
            assert!(error.starts_with(begin) && error.contains(expected), "{error}");
        }
        assert!(parts(Vec::new()).unwrap_err().to_string().starts_with("there is nothing to merge"));
    }

    #[test]
    fn an_interrupted_part_shortens_the_run() {
        let mut part = sample::measured(2);
        part.phases.truncate(1);
        part.ended_early = Some("interrupted".to_owned());
        let sum = parts(vec![sample::measured(1), part]).unwrap();
        assert_eq!((sum.phases.len(), sum.ended_early.as_deref()), (1, Some("interrupted")));
        assert!(sum.notes.iter().any(|note| note.contains("left out")), "{:?}", sum.notes);
    }

    #[test]
    fn the_longest_warm_up_counts() {
        let cut = |seconds| WarmUp::Cut { seconds };
        assert_eq!(longer(cut(3), cut(5)), cut(5));
        assert_eq!(longer(WarmUp::TooShort, cut(5)), cut(5));
        assert_eq!(longer(cut(5), WarmUp::NeverSettled), WarmUp::NeverSettled);
        assert_eq!(longer(WarmUp::None, WarmUp::TooShort), WarmUp::TooShort);
    }

    #[test]
    fn starts_far_apart_are_said() {
        let mut part = sample::measured(2);
        part.run.started_unix_ms += 60_000;
        let sum = parts(vec![sample::measured(1), part]).unwrap();
        assert!(sum.notes.iter().any(|note| note.contains("60.0 s apart")), "{:?}", sum.notes);
    }
}
