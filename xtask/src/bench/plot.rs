//! Curves as SVG, to stand in a page.

use anyhow::{Result, anyhow};
use plotters::prelude::*;

const SIZE: (u32, u32) = (760, 320);
const HUES: [RGBColor; 2] = [RGBColor(31, 111, 139), RGBColor(217, 108, 6)];

/// One named line.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) points: Vec<(f64, f64)>,
}

/// Lines over a common range; `x_text` and `y_text` label the ticks.
pub(super) fn lines(
    lines: &[Line],
    x_title: &str,
    y_title: &str,
    x_text: &dyn Fn(&f64) -> String,
    y_text: &dyn Fn(&f64) -> String,
) -> Result<String> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let range = |pick: fn(&(f64, f64)) -> f64| {
        points().map(pick).fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)))
    };
    let ((left, right), (_, top)) = (range(|point| point.0), range(|point| point.1));
    if points().next().is_none() {
        return Ok(String::new());
    }
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let drawn = |error: DrawingAreaErrorKind<_>| anyhow!("cannot draw a plot: {error}");
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .margin_right(36)
            .x_label_area_size(44)
            .y_label_area_size(84)
            .build_cartesian_2d(left..right.max(left + f64::EPSILON), 0.0..(top * 1.05).max(f64::EPSILON))
            .map_err(drawn)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(RGBColor(228, 228, 228))
            .axis_style(RGBColor(150, 150, 150))
            .x_desc(x_title)
            .y_desc(y_title)
            .x_label_formatter(x_text)
            .y_label_formatter(y_text)
            .x_labels(8)
            .y_labels(6)
            .draw()
            .map_err(drawn)?;
        for (line, hue) in lines.iter().zip(HUES.iter().cycle()) {
            let style = hue.stroke_width(2);
            chart
                .draw_series(LineSeries::new(line.points.iter().copied(), style))
                .map_err(drawn)?
                .label(line.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
        }
        if lines.len() > 1 {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperRight)
                .background_style(WHITE.mix(0.8))
                .draw()
                .map_err(drawn)?;
        }
        area.present().map_err(drawn)?;
    }
    Ok(svg)
}
