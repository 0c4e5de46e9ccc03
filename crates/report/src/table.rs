//! Tables.

use crate::Tone;
use crate::html::{Escaped, push};

/// Rows under a head. The first column names the row.
#[derive(Clone, Debug, Default)]
pub struct Table {
    caption: String,
    head: Vec<(String, Align)>,
    rows: Vec<Vec<Cell>>,
}

/// Where a column's text stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// Words.
    #[default]
    Left,
    /// Numbers, under each other.
    Right,
}

/// One cell.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    detail: String,
    tone: Option<Tone>,
    soft: bool,
}

impl Cell {
    /// A cell that shows a text.
    pub fn new(text: impl Into<String>) -> Self {
        Cell { text: text.into(), ..Cell::default() }
    }

    /// A verdict: the text as a badge.
    pub fn badge(tone: Tone, text: impl Into<String>) -> Self {
        Cell { tone: Some(tone), ..Cell::new(text) }
    }

    /// A text of less weight.
    pub fn soft(text: impl Into<String>) -> Self {
        Cell { soft: true, ..Cell::new(text) }
    }

    /// A second, smaller line.
    #[must_use]
    pub fn detail(mut self, text: impl Into<String>) -> Self {
        self.detail = text.into();
        self
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell::new(text)
    }
}

impl Table {
    /// A table with these columns.
    ///
    /// ```
    /// use dunlin_report::{Align, Cell, Table, Tone};
    ///
    /// let table = Table::new([("threshold", Align::Left), ("measured", Align::Right), ("", Align::Left)])
    ///     .caption("Over the measured phase")
    ///     .row(["p99(push) < 50 ms".into(), "4.80 ms".into(), Cell::badge(Tone::Good, "met")]);
    /// assert!(!table.is_empty());
    /// ```
    pub fn new<T: Into<String>>(columns: impl IntoIterator<Item = (T, Align)>) -> Self {
        let head = columns.into_iter().map(|(title, align)| (title.into(), align)).collect();
        Table { head, ..Table::default() }
    }

    /// A line under the table.
    #[must_use]
    pub fn caption(mut self, text: impl Into<String>) -> Self {
        self.caption = text.into();
        self
    }

    /// One more row; cells beyond the columns are not shown.
    #[must_use]
    pub fn row(mut self, cells: impl IntoIterator<Item = Cell>) -> Self {
        self.push(cells);
        self
    }

    /// Adds a row.
    pub fn push(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn write(&self, out: &mut String) {
        // The region scrolls by itself on a narrow screen, and by keyboard.
        out.push_str("<div class=\"scroll\" tabindex=\"0\"><table>");
        if !self.caption.is_empty() {
            push!(out, "<caption>{}</caption>", Escaped(&self.caption));
        }
        out.push_str("<thead><tr>");
        for (title, align) in &self.head {
            push!(out, "<th scope=\"col\"{}>{}</th>", align.class(), Escaped(title));
        }
        out.push_str("</tr></thead><tbody>\n");
        for row in &self.rows {
            out.push_str("<tr>");
            for (column, (cell, (_, align))) in row.iter().zip(&self.head).enumerate() {
                let tag = if column == 0 { "th" } else { "td" };
                let scope = if column == 0 { " scope=\"row\"" } else { "" };
                push!(out, "<{tag}{scope}{}>", align.class());
                cell.write(out);
                push!(out, "</{tag}>");
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody></table></div>\n");
    }
}

impl Align {
    fn class(self) -> &'static str {
        match self {
            Align::Left => "",
            Align::Right => " class=\"number\"",
        }
    }
}

impl Cell {
    fn write(&self, out: &mut String) {
        let text = Escaped(&self.text);
        match (self.tone, self.soft) {
            _ if self.text.is_empty() => {}
            (Some(tone), _) => push!(out, "<span class=\"badge {}\">{text}</span>", tone.class()),
            (None, true) => push!(out, "<span class=\"soft\">{text}</span>"),
            (None, false) => push!(out, "{text}"),
        }
        if !self.detail.is_empty() {
            push!(out, "<small>{}</small>", Escaped(&self.detail));
        }
    }
}
