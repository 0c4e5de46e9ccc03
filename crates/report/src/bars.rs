//! Bars beside each other, each against a line that it should not pass.

use crate::html::{Escaped, push};
use crate::{Tone, Unit};

/// Figures as bars of one scale, which ends at the longest of them or at the line.
#[derive(Clone, Debug)]
pub struct Bars {
    title: String,
    note: String,
    unit: Unit,
    limit: Option<(f64, String)>,
    bars: Vec<Bar>,
}

/// One bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// What it is.
    pub name: String,
    /// Its length.
    pub value: f64,
    /// What is written at its end; empty for the value itself.
    pub text: String,
    /// Its colour.
    pub tone: Tone,
}

/// A bar longer than so many times the line is cut, and marked: one outlier would hide all others.
const OVER_MAX: f64 = 3.0;

impl Bars {
    /// Bars of such values.
    ///
    /// ```
    /// use dunlin_report::{Bar, Bars, Tone, Unit};
    ///
    /// let bars = Bars::new("Ratio to the promise", Unit::Ratio).limit(1.0, "promise").bar(Bar {
    ///     name: "handler".to_owned(),
    ///     value: 0.81,
    ///     text: "1.62 × of at most 2 ×".to_owned(),
    ///     tone: Tone::Good,
    /// });
    /// assert!(!bars.is_empty());
    /// ```
    pub fn new(title: impl Into<String>, unit: Unit) -> Self {
        Bars { title: title.into(), note: String::new(), unit, limit: None, bars: Vec::new() }
    }

    /// A sentence under the title.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.note = text.into();
        self
    }

    /// The line that no bar should pass.
    #[must_use]
    pub fn limit(mut self, at: f64, name: impl Into<String>) -> Self {
        self.limit = Some((at, name.into()));
        self
    }

    /// One more bar.
    #[must_use]
    pub fn bar(mut self, bar: Bar) -> Self {
        self.bars.push(bar);
        self
    }

    /// Whether there is no bar.
    pub fn is_empty(&self) -> bool {
        self.bars.is_empty()
    }

    pub(crate) fn write(&self, out: &mut String) {
        if self.bars.is_empty() {
            return;
        }
        let longest =
            self.bars.iter().map(|bar| bar.value).filter(|value| value.is_finite()).fold(0.0, f64::max);
        let end = match &self.limit {
            Some((limit, _)) => longest.clamp(limit * 1.15, limit * OVER_MAX),
            None => longest,
        };
        let end = if end > 0.0 { end } else { 1.0 };
        let share = |value: f64| (value / end * 1_000.0).clamp(0.0, 1_000.0);
        push!(out, "<figure class=\"bars\"><figcaption><h3>{}</h3>", Escaped(&self.title));
        if !self.note.is_empty() {
            push!(out, "<p class=\"soft\">{}</p>", Escaped(&self.note));
        }
        out.push_str("</figcaption><div class=\"rows\">\n");
        if let Some((limit, name)) = &self.limit {
            let left = share(*limit) / 10.0;
            push!(
                out,
                "<div class=\"key\" aria-hidden=\"true\"><div><span style=\"left:{left:.1}%\">{}</span></div></div>\n",
                Escaped(name)
            );
        }
        for bar in &self.bars {
            let value = if bar.text.is_empty() { self.unit.text(bar.value) } else { bar.text.clone() };
            let label = format!("{}: {value}", bar.name);
            let cut = if bar.value > end { " cut" } else { "" };
            push!(
                out,
                "<div class=\"name\">{}</div><div class=\"value\" aria-hidden=\"true\">{}</div><svg class=\"{}{cut}\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" role=\"img\" \
                 aria-label=\"{}\"><title>{}</title><rect class=\"track\" width=\"1000\" height=\"10\"/>\
                 <rect class=\"fill\" width=\"{:.1}\" height=\"10\"/>",
                Escaped(&bar.name),
                Escaped(&value),
                bar.tone.class(),
                Escaped(&label),
                Escaped(&label),
                share(bar.value)
            );
            if let Some((limit, _)) = &self.limit {
                push!(out, "<path class=\"limit\" d=\"M{:.1} 0V10\"/>", share(*limit));
            }
            out.push_str("</svg>\n");
        }
        out.push_str("</div></figure>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(name: &str, value: f64) -> Bar {
        Bar { name: name.to_owned(), value, text: String::new(), tone: Tone::Good }
    }

    #[test]
    fn the_line_has_one_place_and_an_outlier_is_cut() {
        let mut out = String::new();
        let bars = Bars::new("b", Unit::Ratio).limit(1.0, "promise");
        bars.bar(bar("half", 0.5)).bar(bar("far", 30.0)).bar(bar("none", f64::NAN)).write(&mut out);
        assert_eq!(out.matches("d=\"M333.3 0V10\"").count(), 3, "{out}");
        assert!(out.contains("class=\"fill\" width=\"166.7\"") && out.contains("good cut"), "{out}");
    }
}
