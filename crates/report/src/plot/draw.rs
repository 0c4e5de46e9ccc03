//! A plot as SVG with words around it.

use serde_json::{Value, json};

use super::{Plot, Series, Stroke, thin::thin};
use crate::html::{self, Escaped, push};
use crate::scale::Range;

/// Colours that the style has.
const HUES: usize = 6;

/// A linear axis reaches up to a limit that is at most so many times the largest value: a limit far above would press
/// the values to the ground.
const LIMIT_REACH: f64 = 2.0;

/// Names of bands are at least this part of the axis apart; of two that are closer, the wider band keeps its name.
const BAND_NAMES_APART: f64 = 0.15;

/// So many names stand below a plot on a telephone.
const NARROW_TICKS_MAX: usize = 4;

/// Units of the drawing, each way.
const SIDE: f64 = 1_000.0;

impl Plot {
    pub(crate) fn write(&self, out: &mut String) {
        push!(out, "<figure class=\"plot\"><figcaption><h3>{}</h3>", Escaped(&self.title));
        if !self.note.is_empty() {
            push!(out, "<p class=\"soft\">{}</p>", Escaped(&self.note));
        }
        out.push_str("</figcaption>\n");
        let series: Vec<Series> = self
            .series
            .iter()
            .enumerate()
            .map(|(number, series)| Series {
                points: thin(&series.points),
                hue: Some(series.hue.unwrap_or(number) % HUES),
                ..series.clone()
            })
            .collect();
        match self.ranges(&series) {
            Some((x, y)) => Drawing { plot: self, series: &series, x, y }.write(out),
            None => out.push_str("<p class=\"empty\">No values.</p>"),
        }
        out.push_str("</figure>\n");
    }

    fn ranges<'a>(&'a self, series: &[Series]) -> Option<(Range<'a>, Range<'a>)> {
        let points = || series.iter().flat_map(|series| &series.points).copied();
        let finite = || points().filter(|(x, y)| x.is_finite() && y.is_finite());
        let ends = self.bands.iter().flat_map(|band| [band.from, band.to]);
        let x = finite().map(|(x, _)| x).chain(ends).chain(self.marks.iter().map(|mark| mark.at));
        let x = Range::over(&self.x.scale, self.x.unit, x, false, false)?;
        let largest = finite().map(|(_, y)| y).fold(f64::NEG_INFINITY, f64::max);
        let near = self.limits.iter().map(|limit| limit.at).filter(|limit| *limit <= largest * LIMIT_REACH);
        let y = finite().map(|(_, y)| y).chain(near);
        let y = Range::over(&self.y.scale, self.y.unit, y, self.from_zero, true)?;
        finite().next()?;
        Some((x, y))
    }
}

struct Drawing<'a> {
    plot: &'a Plot,
    series: &'a [Series],
    x: Range<'a>,
    y: Range<'a>,
}

impl Drawing<'_> {
    fn write(&self, out: &mut String) {
        self.legend(out);
        push!(
            out,
            "<p class=\"ytitle\" aria-hidden=\"true\">{}</p>\n<div class=\"frame\" tabindex=\"0\" role=\"img\" aria-label=\"{}\">",
            Escaped(&self.plot.y.title),
            Escaped(&self.spoken())
        );
        self.shapes(out);
        self.words(out);
        push!(
            out,
            "<div class=\"cursor\" hidden></div><div class=\"tip\" hidden></div>\
             <script type=\"application/json\">{}</script></div>\n",
            html::json(&self.values())
        );
        push!(out, "<p class=\"xtitle\" aria-hidden=\"true\">{}</p>\n", Escaped(&self.plot.x.title));
    }

    fn legend(&self, out: &mut String) {
        let named = self.series.iter().filter(|series| !series.name.is_empty());
        if self.series.len() < 2 && self.plot.limits.is_empty() {
            return;
        }
        out.push_str("<ul class=\"legend\" aria-hidden=\"true\">");
        for series in named {
            push!(
                out,
                "<li><svg class=\"h{} {}\" viewBox=\"0 0 24 10\"><path d=\"{}\"/></svg>{}</li>",
                series.hue.unwrap_or(0),
                class(series.stroke),
                if series.stroke == Stroke::Dots { "M12 5h0" } else { "M1 5H23" },
                Escaped(&series.name)
            );
        }
        for limit in &self.plot.limits {
            let far = self.limit_at(limit.at).is_none();
            push!(
                out,
                "<li><svg class=\"limit\" viewBox=\"0 0 24 10\"><path d=\"M1 5H23\"/></svg>{}{}</li>",
                Escaped(&limit.name),
                if far { " (outside of this plot)" } else { "" }
            );
        }
        out.push_str("</ul>\n");
    }

    fn shapes(&self, out: &mut String) {
        push!(out, "<svg viewBox=\"0 0 {SIDE} {SIDE}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
        for (number, band) in self.plot.bands.iter().enumerate() {
            let Some((left, right)) = self.span(band.from, band.to) else { continue };
            push!(
                out,
                "<rect class=\"band b{}\" x=\"{:.1}\" width=\"{:.1}\" height=\"{SIDE}\"/>",
                number % 2,
                left * SIDE,
                (right - left) * SIDE
            );
        }
        for tick in self.y.ticks() {
            push!(out, "<path class=\"grid\" d=\"M0 {:.1}H{SIDE}\"/>", (1.0 - tick.at) * SIDE);
        }
        for mark in &self.plot.marks {
            if let Some(at) = self.x.at(mark.at) {
                push!(out, "<path class=\"mark\" d=\"M{:.1} 0V{SIDE}\"/>", at * SIDE);
            }
        }
        for limit in &self.plot.limits {
            if let Some(at) = self.limit_at(limit.at) {
                push!(out, "<path class=\"limit\" d=\"M0 {:.1}H{SIDE}\"/>", (1.0 - at) * SIDE);
            }
        }
        for series in self.series {
            push!(
                out,
                "<path class=\"series h{} {}\" d=\"{}\"/>",
                series.hue.unwrap_or(0),
                class(series.stroke),
                self.path(series)
            );
        }
        out.push_str("</svg>");
    }

    /// Move to where a line begins, then on from point to point. A single point is a line of no length, which the round
    /// ends of the stroke make a dot.
    fn path(&self, series: &Series) -> String {
        let mut path = String::new();
        let mut drawing = false;
        for &(x, y) in &series.points {
            let Some((x, y)) = self.x.at(x).zip(self.y.at(y)) else {
                drawing = false;
                continue;
            };
            let (x, y) = (x * SIDE, (1.0 - y) * SIDE);
            match series.stroke {
                Stroke::Dots => push!(path, "M{x:.1} {y:.1}h0"),
                _ if drawing => push!(path, "L{x:.1} {y:.1}"),
                _ => push!(path, "M{x:.1} {y:.1}h0"),
            }
            drawing = true;
        }
        path
    }

    fn words(&self, out: &mut String) {
        out.push_str("<div class=\"yticks\" aria-hidden=\"true\">");
        for tick in self.y.ticks() {
            push!(out, "<span style=\"bottom:{:.2}%\">{}</span>", tick.at * 100.0, Escaped(&tick.text));
        }
        out.push_str("</div><div class=\"xticks\" aria-hidden=\"true\">");
        let ticks = self.x.ticks();
        for (number, tick) in ticks.iter().enumerate() {
            // Of many, every second name steps back where the plot is narrow.
            let is_minor = number % 2 == 1 && ticks.len() > NARROW_TICKS_MAX;
            let class = if is_minor { " class=\"minor\"" } else { "" };
            push!(out, "<span{class} style=\"left:{:.2}%\">{}</span>", tick.at * 100.0, Escaped(&tick.text));
        }
        out.push_str("</div><div class=\"names\" aria-hidden=\"true\">");
        for (middle, name) in self.band_names() {
            push!(
                out,
                "<span class=\"phase\" style=\"left:{:.2}%\">{}</span>",
                middle * 100.0,
                Escaped(name)
            );
        }
        for mark in self.plot.marks.iter().filter(|mark| !mark.name.is_empty()) {
            let Some(at) = self.x.at(mark.at) else { continue };
            // Beside the line, on the side with more room.
            let side = if at > 0.7 { "before" } else { "after" };
            push!(
                out,
                "<span class=\"{side}\" style=\"left:{:.2}%\">{}</span>",
                at * 100.0,
                Escaped(&mark.name)
            );
        }
        out.push_str("</div>");
    }

    /// The bands that have room for their names, with the middle of each.
    fn band_names(&self) -> Vec<(f64, &str)> {
        let mut bands: Vec<_> = self
            .plot
            .bands
            .iter()
            .filter_map(|band| Some((self.span(band.from, band.to)?, band.name.as_str())))
            .collect();
        bands.sort_by(|((a, b), _), ((c, d), _)| (d - c).total_cmp(&(b - a)));
        let mut named: Vec<(f64, &str)> = Vec::new();
        for ((left, right), name) in bands {
            let middle = f64::midpoint(left, right);
            if named.iter().all(|(other, _)| (other - middle).abs() >= BAND_NAMES_APART) {
                named.push((middle, name));
            }
        }
        named
    }

    /// For those who listen: what is drawn, and the ends of each series.
    fn spoken(&self) -> String {
        let titles = [&self.plot.title, &self.plot.y.title, &self.plot.x.title];
        let titles: Vec<&str> =
            titles.iter().filter(|title| !title.is_empty()).map(|title| title.as_str()).collect();
        let mut text = titles.join(", ") + ".";
        for series in self.series {
            let finite = || series.points.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
            let (Some(first), Some(last)) = (finite().next(), finite().next_back()) else { continue };
            let largest = finite().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or(last);
            let said = |point: &(f64, f64)| format!("{} at {}", self.y.text(point.1), self.x.text(point.0));
            push!(
                text,
                " {}: first {}, last {}, highest {}.",
                series.name,
                said(first),
                said(last),
                said(largest)
            );
        }
        for band in &self.plot.bands {
            push!(text, " {}: {} to {}.", band.name, self.x.text(band.from), self.x.text(band.to));
        }
        for mark in self.plot.marks.iter().filter(|mark| !mark.name.is_empty()) {
            push!(text, " {} at {}.", mark.name, self.x.text(mark.at));
        }
        text
    }

    /// What the script shows: places between 0 and 1, and texts.
    fn values(&self) -> Value {
        let place = |at: f64| (at * 10_000.0).round() / 10_000.0;
        let series = self.series.iter().map(|series| {
            let points: Vec<Value> = series
                .points
                .iter()
                .filter_map(|&(x, y)| {
                    let (left, up) = self.x.at(x).zip(self.y.at(y))?;
                    Some(json!([place(left), place(up), self.x.text(x), self.y.text(y)]))
                })
                .collect();
            json!({ "name": series.name, "hue": series.hue, "points": points })
        });
        let bands = self.plot.bands.iter().filter_map(|band| {
            let (left, right) = self.span(band.from, band.to)?;
            Some(json!([place(left), place(right), band.name]))
        });
        json!({ "series": series.collect::<Vec<_>>(), "bands": bands.collect::<Vec<_>>() })
    }

    fn span(&self, from: f64, to: f64) -> Option<(f64, f64)> {
        let (left, right) = self.x.at(from).zip(self.x.at(to))?;
        (right > left).then_some((left, right))
    }

    fn limit_at(&self, limit: f64) -> Option<f64> {
        self.y.at(limit).filter(|at| (0.0..=1.0).contains(at))
    }
}

fn class(stroke: Stroke) -> &'static str {
    match stroke {
        Stroke::Line => "line",
        Stroke::Dashed => "dashed",
        Stroke::Dots => "dots",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;

    fn html(plot: &Plot) -> String {
        let mut out = String::new();
        plot.write(&mut out);
        out
    }

    #[test]
    fn lines_are_where_their_values_are() {
        let points = [(0.0, 0.0), (5.0, 5e6), (10.0, 10e6)];
        let html = html(&Plot::over_time("t").series(Series::line("p50", points)));
        assert!(html.contains("d=\"M0.0 1000.0h0L500.0 500.0L1000.0 0.0\""), "{html}");
        assert!(html.contains("[0.5,0.5,\"5 s\",\"5.00 ms\"]"), "{html}");
        // One series needs no legend.
        assert!(!html.contains("legend"));
    }

    #[test]
    fn a_value_that_is_missing_interrupts_the_line() {
        let points = [(0.0, 1.0), (1.0, f64::NAN), (2.0, 1.0), (3.0, 1.0)];
        let html = html(&Plot::over_time("t").series(Series::line("a", points)));
        assert!(html.contains("d=\"M0.0 0.0h0M666.7 0.0h0L1000.0 0.0\""), "{html}");
    }

    #[test]
    fn a_limit_far_away_does_not_press_the_values_down() {
        let plot = Plot::over_time("t").series(Series::line("a", [(0.0, 1e6), (1.0, 2e6)]));
        let near = html(&plot.clone().limit(3e6, "near"));
        assert!(near.contains("class=\"limit\" d=\"M0 ") && !near.contains("outside"), "{near}");
        let far = html(&plot.limit(50e6, "far"));
        assert!(
            !far.contains("class=\"limit\" d=\"M0 ") && far.contains("far (outside of this plot)"),
            "{far}"
        );
    }

    #[test]
    fn without_values_it_says_so() {
        for plot in [
            Plot::by_percentile("t"),
            Plot::over_time("t").series(Series::line("a", [(0.0, f64::NAN)])).band(0.0, 1.0, "b"),
            Plot::by_percentile("t").series(Series::line("only the largest", [(1.0, 5.0)])),
        ] {
            assert!(html(&plot).contains("No values."), "{plot:?}");
        }
    }

    #[test]
    fn bands_marks_and_speech_name_what_is_drawn() {
        let plot = Plot::trend("echo", ["r0", "r1", "r2"], Unit::Count)
            .series(Series::dots("runs", [(0.0, 10.0), (1.0, 11.0), (2.0, 15.0)]))
            .mark(1.5, "slower")
            .band(0.5, 1.0, "before")
            .band(1.0, 1.1, "too near");
        let html = html(&plot);
        assert_eq!(html.matches("h0M").count(), 2, "three dots: {html}");
        assert!(
            html.contains(">slower</span>") && html.contains(">before<") && !html.contains(">too near<"),
            "{html}"
        );
        assert!(html.contains("highest 15 at r2"), "{html}");
    }
}
