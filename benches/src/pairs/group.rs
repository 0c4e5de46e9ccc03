//! What a group has to measure.

use dunlin_report::Unit;

use super::{
    doubling,
    measure::{self, Effort},
    result::{Basis, FigureResult, Measured, ReferenceKind},
    statistics::Summary,
    work::Work,
};

/// The benchmarks of one subject.
#[derive(Debug)]
pub struct Group {
    name: &'static str,
    entries: Vec<Entry>,
}

/// One benchmark of a group; nothing of it is there before it is run.
pub struct Entry {
    /// `group/name/size`.
    pub id: String,
    heavy: bool,
    build: Build,
}

enum Build {
    Pair(Box<dyn FnOnce() -> Pair>),
    Figure(Box<dyn FnOnce(Effort) -> Figure>),
}

/// A subject and its reference.
#[derive(Debug)]
pub struct Pair {
    pub(super) subject: Work,
    pub(super) reference: Work,
    pub(super) reference_name: &'static str,
    pub(super) reference_kind: ReferenceKind,
    pub(super) basis: Basis,
}

/// A figure that is no ratio of times.
#[derive(Debug)]
pub struct Figure {
    unit: Unit,
    samples: Vec<f64>,
    reference: Option<(&'static str, Vec<f64>)>,
}

impl Group {
    /// An empty group; its name is the first part of its benchmarks' ids.
    pub fn new(name: &'static str) -> Self {
        Group { name, entries: Vec::new() }
    }

    /// Adds a pair; `name` is `what/size`.
    pub fn pair(&mut self, name: &str, build: impl FnOnce() -> Pair + 'static) {
        self.add(name, false, Build::Pair(Box::new(build)));
    }

    /// Adds a pair that takes seconds to build: tests and quick runs leave it out.
    pub fn heavy_pair(&mut self, name: &str, build: impl FnOnce() -> Pair + 'static) {
        self.add(name, true, Build::Pair(Box::new(build)));
    }

    /// Adds a figure. It is measured by the closure itself, which checks that what it counts is there; tests leave it out, and
    /// call what it is made of by [`figure_doubles`](super::figure_doubles).
    pub fn figure(&mut self, name: &str, measure: impl FnOnce(Effort) -> Figure + 'static) {
        self.add(name, false, Build::Figure(Box::new(measure)));
    }

    fn add(&mut self, name: &str, heavy: bool, build: Build) {
        self.entries.push(Entry { id: format!("{}/{name}", self.name), heavy, build });
    }

    /// What was added.
    pub fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    /// Builds every pair that is not heavy, does the work of both sides, and checks that twice the iterations cost twice as
    /// much. For tests: nothing is compared.
    ///
    /// # Panics
    ///
    /// If a side does not do its work, or does not double.
    #[track_caller]
    pub fn check(self) {
        for entry in self.entries {
            let Some(pair) = entry.into_light_pair() else { continue };
            let (id, pair) = pair;
            for (side, mut work) in [("subject", pair.subject), ("reference", pair.reference)] {
                let factor = doubling::of_iterations(&mut work);
                assert!(
                    doubling::tolerated(factor),
                    "{id}: twice the iterations of the {side} cost {factor:.2} times as much"
                );
            }
        }
    }
}

impl Entry {
    /// Whether a quick run leaves it out.
    pub fn is_heavy(&self) -> bool {
        self.heavy
    }

    /// Builds it, if it is a pair: for whoever counts something else than time.
    pub fn into_pair(self) -> Option<(String, Pair)> {
        match self.build {
            Build::Pair(build) => Some((self.id, build())),
            Build::Figure(_) => None,
        }
    }

    fn into_light_pair(self) -> Option<(String, Pair)> {
        if self.heavy { None } else { self.into_pair() }
    }

    /// Builds it and measures it.
    ///
    /// # Panics
    ///
    /// If the work is not done.
    pub fn measure(self, effort: Effort) -> Measured {
        match self.build {
            Build::Pair(build) => Measured::Pair(Box::new(build().measure(&self.id, effort))),
            Build::Figure(build) => Measured::Figure(build(effort).result(self.id)),
        }
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("id", &self.id).field("heavy", &self.heavy).finish_non_exhaustive()
    }
}

impl Pair {
    /// A subject and its physical floor: the least that must be done for the same result. By processor time.
    pub fn new(subject: Work, reference_name: &'static str, reference: Work) -> Self {
        Pair {
            subject,
            reference,
            reference_name,
            reference_kind: ReferenceKind::Floor,
            basis: Basis::default(),
        }
    }

    /// The reference is no floor but another way to the same result, and may be slower.
    pub fn rival(self) -> Self {
        Pair { reference_kind: ReferenceKind::Rival, ..self }
    }

    /// Another figure counts than processor time.
    pub fn by(self, basis: Basis) -> Self {
        Pair { basis, ..self }
    }

    /// Both sides, for whoever counts something else than time.
    pub fn into_sides(self) -> (Work, Work) {
        (self.subject, self.reference)
    }
}

impl Figure {
    /// Samples of a figure.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn new(unit: Unit, samples: Vec<f64>) -> Self {
        assert!(!samples.is_empty(), "a figure has samples");
        Figure { unit, samples, reference: None }
    }

    /// Holds it against its floor, in the same unit: less than that is a defect of the reference.
    ///
    /// # Panics
    ///
    /// If there is no sample.
    pub fn against(self, reference_name: &'static str, samples: Vec<f64>) -> Self {
        assert!(!samples.is_empty(), "a reference has samples");
        Figure { reference: Some((reference_name, samples)), ..self }
    }

    fn result(self, id: String) -> FigureResult {
        let summary = |samples: &[f64]| Summary::of(samples).expect("there are samples");
        let value = summary(&self.samples);
        let reference = self.reference.as_ref().map(|(_, samples)| summary(samples));
        let ratio = reference.map(|reference| value.median / reference.median);
        FigureResult {
            id,
            unit: self.unit,
            value,
            reference_name: self.reference.map(|(name, _)| name),
            reference,
            ratio,
            defects: measure::figure_defects(ratio),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_below_its_floor_is_a_defect() {
        let result = |against: f64| {
            let figure = Figure::new(Unit::Bytes, vec![90.0, 100.0, 110.0]).against("bare", vec![against]);
            figure.result("group/figure".to_owned())
        };
        assert_eq!((result(50.0).ratio, result(50.0).defects.len()), (Some(2.0), 0));
        assert_eq!(result(200.0).defects.len(), 1);
    }

    #[test]
    #[should_panic(expected = "group/hoisted: twice the iterations of the subject")]
    fn a_group_finds_what_does_not_double() {
        let spin = |units: u64| (0..units).fold(0, |sum, n| std::hint::black_box(sum) ^ n);
        let mut group = Group::new("group");
        group.pair("hoisted", move || {
            let hoisted = Work::custom(move |iterations, stopwatch| {
                stopwatch.measure(|| spin(500_000));
                iterations
            });
            Pair::new(hoisted, "honest", Work::each(move || spin(100), |_| ()))
        });
        group.check();
    }
}
