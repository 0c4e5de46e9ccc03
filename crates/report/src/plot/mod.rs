//! Plots: values over an axis, with what explains them.

mod draw;
mod thin;

use crate::{Scale, Unit};

/// Lines or dots over two axes.
///
/// The shapes are SVG that stretches with the page, the words around them HTML that does not, so that a plot can be
/// read on a telephone as on a wide screen. Hovering, or the arrow keys, show the values.
#[derive(Clone, Debug)]
pub struct Plot {
    title: String,
    note: String,
    x: Axis,
    y: Axis,
    from_zero: bool,
    series: Vec<Series>,
    bands: Vec<Band>,
    marks: Vec<Mark>,
    limits: Vec<Limit>,
}

/// One of the two axes.
#[derive(Clone, Debug, Default)]
pub struct Axis {
    /// What its values are; the unit is written at each.
    pub title: String,
    /// How its values are written.
    pub unit: Unit,
    /// How they are spread.
    pub scale: Scale,
}

/// Values with a name.
#[derive(Clone, Debug)]
pub struct Series {
    /// The name in the legend.
    pub name: String,
    /// In the order of `x`. A value that is not finite, or has no place on its axis, interrupts the line.
    pub points: Vec<(f64, f64)>,
    /// How it is drawn.
    pub stroke: Stroke,
    /// Which of the colours; its place among the series if absent.
    pub hue: Option<usize>,
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stroke {
    /// A line.
    #[default]
    Line,
    /// A dashed line: what the others are compared with.
    Dashed,
    /// A dot for each value.
    Dots,
}

/// A part of the x axis with a name, such as a phase of a run.
#[derive(Clone, Debug)]
pub struct Band {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// What it is.
    pub name: String,
}

/// A place on the x axis with a name, such as a change.
#[derive(Clone, Debug)]
pub struct Mark {
    /// Where it is.
    pub at: f64,
    /// What it is; may be empty.
    pub name: String,
}

/// A place on the y axis with a name, such as a threshold.
#[derive(Clone, Debug)]
pub struct Limit {
    /// Where it is.
    pub at: f64,
    /// What it is.
    pub name: String,
}

impl Plot {
    /// A plot of two axes.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Plot {
            title: title.into(),
            note: String::new(),
            x,
            y,
            from_zero: true,
            series: Vec::new(),
            bands: Vec::new(),
            marks: Vec::new(),
            limits: Vec::new(),
        }
    }

    /// Values over the seconds of a run, by default times in nanoseconds.
    pub fn over_time(title: impl Into<String>) -> Self {
        let x = Axis { title: "time of the run".to_owned(), unit: Unit::Seconds, scale: Scale::Linear };
        Plot::new(title, x, latency())
    }

    /// Times in nanoseconds over quantiles from 0 to 1, as HdrHistogram plots them: each nine takes the same room. The
    /// quantile 1 has no place on such an axis and is left out.
    pub fn by_percentile(title: impl Into<String>) -> Self {
        let x = Axis { title: "percentile".to_owned(), unit: Unit::Share, scale: Scale::Percentile };
        Plot::new(title, x, latency())
    }

    /// Values over the numbers 0, 1, 2 …, each with a name such as a revision. Mark the changes with [`mark`](Self::mark).
    ///
    /// ```
    /// use dunlin_report::{Plot, Series, Unit};
    ///
    /// let trend = Plot::trend("echo", ["1a2b", "3c4d", "5e6f"], Unit::Nanoseconds)
    ///     .series(Series::dots("runs", [(0.0, 41e3), (1.0, 40e3), (2.0, 47e3)]))
    ///     .series(Series::line("mean between changes", [(0.0, 40.5e3), (1.0, 40.5e3), (f64::NAN, 0.0), (2.0, 47e3)]))
    ///     .mark(1.5, "+16 %");
    /// assert!(!trend.is_empty());
    /// ```
    pub fn trend<T: Into<String>>(
        title: impl Into<String>,
        names: impl IntoIterator<Item = T>,
        unit: Unit,
    ) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        let x = Axis { title: String::new(), unit: Unit::Count, scale: Scale::Named(names) };
        let y = Axis { unit, ..Axis::default() };
        Plot { from_zero: false, ..Plot::new(title, x, y) }
    }

    /// A sentence under the title.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.note = text.into();
        self
    }

    /// Another y axis.
    #[must_use]
    pub fn y(mut self, title: impl Into<String>, unit: Unit) -> Self {
        self.y.title = title.into();
        self.y.unit = unit;
        self
    }

    /// Spreads the y axis by ratios.
    #[must_use]
    pub fn log_y(mut self) -> Self {
        self.y.scale = Scale::Log;
        self
    }

    /// One more series.
    #[must_use]
    pub fn series(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// One more part of the x axis.
    #[must_use]
    pub fn band(mut self, from: f64, to: f64, name: impl Into<String>) -> Self {
        self.bands.push(Band { from, to, name: name.into() });
        self
    }

    /// One more place on the x axis.
    #[must_use]
    pub fn mark(mut self, at: f64, name: impl Into<String>) -> Self {
        self.marks.push(Mark { at, name: name.into() });
        self
    }

    /// One more place on the y axis. It is drawn if it is near the values, and named in any case.
    #[must_use]
    pub fn limit(mut self, at: f64, name: impl Into<String>) -> Self {
        self.limits.push(Limit { at, name: name.into() });
        self
    }

    /// Whether no series has a value; such a plot says so instead of showing axes.
    pub fn is_empty(&self) -> bool {
        self.series.iter().all(|series| series.points.iter().all(|(x, y)| !(x.is_finite() && y.is_finite())))
    }
}

fn latency() -> Axis {
    Axis { title: "latency".to_owned(), unit: Unit::Nanoseconds, scale: Scale::Linear }
}

impl Series {
    /// A line.
    pub fn line(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let points = points.into_iter().collect();
        Series { name: name.into(), points, stroke: Stroke::Line, hue: None }
    }

    /// A dashed line, of what the others are compared with.
    pub fn dashed(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Series { stroke: Stroke::Dashed, ..Series::line(name, points) }
    }

    /// A dot for each value.
    pub fn dots(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Series { stroke: Stroke::Dots, ..Series::line(name, points) }
    }

    /// Another colour, by number: that of the series it belongs to.
    #[must_use]
    pub fn hue(mut self, number: usize) -> Self {
        self.hue = Some(number);
        self
    }
}
