//! The report as a table for the terminal.

use std::io::IsTerminal;

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};

use super::report::{Measure, Reference, Report};

pub(super) fn render(report: &Report) -> String {
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    if !colour {
        table.force_no_tty();
    }
    table.set_header(
        ["benchmark", "figure", "reference", "ratio", "promise", ""]
            .map(|title| Cell::new(title).add_attribute(Attribute::Bold)),
    );
    for measure in &report.measures {
        table.add_row(row(measure, colour));
    }
    for column in [1, 3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{table}\nmeasured on {}", report.machine.with_revision())
}

fn row(measure: &Measure, colour: bool) -> Vec<Cell> {
    let reference = measure.reference.as_ref();
    let text = [
        measure.id.clone(),
        measure.unit.text(measure.value),
        reference.map(|r| format!("{} {}", r.name, measure.unit.text(r.value))).unwrap_or_default(),
        reference.map(Reference::text).unwrap_or_default(),
        measure.promise.map(|promise| promise.text(measure.unit)).unwrap_or_default(),
    ];
    let mut row: Vec<Cell> = text.into_iter().map(Cell::new).collect();
    let (verdict, hue) = verdict(measure);
    let cell = Cell::new(verdict);
    row.push(match hue {
        Some(hue) if colour => cell.fg(hue),
        _ => cell,
    });
    row
}

fn verdict(measure: &Measure) -> (String, Option<Color>) {
    if !measure.defects.is_empty() {
        return ("defective".to_owned(), Some(Color::Red));
    }
    match measure.verdict() {
        Some((true, _)) => ("met".to_owned(), Some(Color::Green)),
        Some((false, by)) => (format!("missed by {:.0} %", by * 100.0), Some(Color::Red)),
        None => (String::new(), None),
    }
}
