//! What a benchmark has to say: a line for people, and a file for `cargo xtask bench`.

use std::{fmt, fs, io, path::Path};

use dunlin_report::Unit;
use serde::Serialize;

use super::statistics::{Ratio, Summary};

/// Which figure of a pair is the one that counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Processor time of an iteration: what holds on a shared machine.
    #[default]
    Cpu,
    /// Wall time of an iteration.
    Wall,
    /// The median of the round trips that the work tells the stopwatch.
    Latency,
}

/// What the reference is to the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceKind {
    /// The least that anybody must do for this result. Nothing is faster; if something is, the reference is at fault.
    Floor,
    /// Another way to the same result, which may be slower.
    Rival,
}

/// What makes a result worthless.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Defect {
    /// The subject is faster than what bounds it.
    FloorBeaten,
    /// Twice the iterations do not cost twice as much.
    NotDoubled {
        /// Whose.
        side: &'static str,
        /// What they cost instead.
        factor: f64,
    },
    /// The work does not tell the figure that counts.
    NoFigure,
}

/// A measured pair.
#[derive(Clone, Debug, Serialize)]
pub struct PairResult {
    /// `group/name/size`.
    pub id: String,
    /// Which ratio counts.
    pub basis: Basis,
    /// What the reference does.
    pub reference_name: &'static str,
    /// Whether it is a floor.
    pub reference_kind: ReferenceKind,
    /// Quads of blocks (subject, reference, reference, subject) that were measured.
    pub quads: usize,
    /// Subject over reference.
    pub ratios: Ratios,
    /// What is measured.
    pub subject: Side,
    /// What it is held against.
    pub reference: Side,
    /// Why the result is worthless, if it is.
    pub defects: Vec<Defect>,
}

/// Subject over reference, by each figure that both sides tell.
#[derive(Clone, Copy, Debug, Serialize)]
#[expect(missing_docs, reason = "they are what they are called")]
pub struct Ratios {
    pub cpu: Option<Ratio>,
    pub wall: Option<Ratio>,
    pub latency: Option<Ratio>,
}

/// One side of a pair; times are of one iteration, in each block.
#[derive(Clone, Copy, Debug, Serialize)]
#[expect(missing_docs, reason = "they are what they are called")]
pub struct Side {
    pub iterations_per_block: u64,
    pub cpu_ns: Option<Summary>,
    pub wall_ns: Option<Summary>,
    pub latency_ns: Option<Summary>,
    /// How many times as much twice the iterations cost.
    pub doubling: f64,
}

/// A figure that is no ratio of times.
#[derive(Clone, Debug, Serialize)]
pub struct FigureResult {
    /// `group/name/size`.
    pub id: String,
    /// What is counted.
    pub unit: Unit,
    /// Over all samples.
    pub value: Summary,
    /// What it is held against, if anything.
    pub reference_name: Option<&'static str>,
    /// The reference's samples.
    pub reference: Option<Summary>,
    /// Median over median.
    pub ratio: Option<f64>,
    /// Why the result is worthless, if it is.
    pub defects: Vec<Defect>,
}

/// Either.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are what they are called")]
pub enum Measured {
    Pair(Box<PairResult>),
    Figure(FigureResult),
}

impl ReferenceKind {
    pub(super) fn is_floor(self) -> bool {
        self == ReferenceKind::Floor
    }
}

impl Measured {
    /// Why the result is worthless, if it is.
    pub fn defects(&self) -> &[Defect] {
        match self {
            Measured::Pair(pair) => &pair.defects,
            Measured::Figure(figure) => &figure.defects,
        }
    }

    fn id(&self) -> &str {
        match self {
            Measured::Pair(pair) => &pair.id,
            Measured::Figure(figure) => &figure.id,
        }
    }

    /// Writes `DIR/group/name/size.json`.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        let file = dir.join(format!("{}.json", self.id()));
        fs::create_dir_all(file.parent().unwrap_or(dir))?;
        fs::write(file, serde_json::to_vec_pretty(self)?)
    }
}

/// One row of the table that a run prints.
impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id();
        match self {
            Measured::Pair(pair) => {
                let figure = |side: &Side| match pair.basis {
                    Basis::Cpu => side.cpu_ns,
                    Basis::Wall => side.wall_ns,
                    Basis::Latency => side.latency_ns,
                };
                let text = |side| figure(side).map_or_else(String::new, |s| Unit::Nanoseconds.text(s.median));
                let ratio = pair.ratio().map_or_else(String::new, |ratio| {
                    format!("{:.3} [{:.3}, {:.3}]", ratio.mean, ratio.low, ratio.high)
                });
                let (subject, reference) = (text(&pair.subject), text(&pair.reference));
                write!(f, "{id:<40} {subject:>9} {reference:>9}  {ratio:<24} {}", pair.reference_name)
            }
            Measured::Figure(figure) => {
                let text = |summary: Summary| figure.unit.text(summary.median);
                let (value, reference) = (text(figure.value), figure.reference.map(text).unwrap_or_default());
                let ratio = figure.ratio.map(|ratio| format!("{ratio:.3}")).unwrap_or_default();
                let name = figure.reference_name.unwrap_or_default();
                write!(f, "{id:<40} {value:>9} {reference:>9}  {ratio:<24} {name}")
            }
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Defect::FloorBeaten => f.write_str(
                "the reference is slower than the code that it bounds: shorten it, or call it a rival",
            ),
            Defect::NotDoubled { side, factor } => write!(
                f,
                "twice the iterations of the {side} cost {factor:.2} times as much: it measures its set-up, or nothing"
            ),
            Defect::NoFigure => f.write_str("the work does not tell the figure that counts"),
        }
    }
}

impl Serialize for Defect {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
