//! A page of sections of blocks.

use crate::html::{Escaped, push};
use crate::{Bars, Plot, Table};

const STYLE: &str = include_str!("../assets/style.css");
const SCRIPT: &str = include_str!("../assets/hover.js");

/// Sections from which on a page begins with links to them.
const LINKED_SECTIONS_MIN: usize = 4;

/// A report.
#[derive(Clone, Debug, Default)]
pub struct Page {
    title: String,
    subtitle: Vec<String>,
    verdict: Option<Verdict>,
    sections: Vec<Section>,
}

/// Good or bad news.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Neither.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// To be looked at.
    Warning,
    /// Not as it should be.
    Bad,
}

/// What the report comes to, in the first line that a reader sees.
#[derive(Clone, Debug)]
pub struct Verdict {
    tone: Tone,
    word: String,
    sentence: String,
    reasons: Vec<String>,
}

/// A part of a page with a heading.
#[derive(Clone, Debug, Default)]
pub struct Section {
    title: String,
    lead: String,
    blocks: Vec<Block>,
}

/// A key figure.
#[derive(Clone, Debug, Default)]
pub struct Figure {
    label: String,
    value: String,
    detail: String,
    tone: Tone,
}

/// What stands in a section. Everything a caller has converts into one.
#[derive(Clone, Debug)]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// A remark that must not be missed.
    Note(Tone, String),
    /// Key figures, side by side.
    Figures(Vec<Figure>),
    /// Names and what they stand for, side by side.
    Facts(Vec<(String, String)>),
    /// A table.
    Table(Table),
    /// A plot.
    Plot(Plot),
    /// Bars.
    Bars(Bars),
    /// Text as it is in a file, under a line that opens it.
    File {
        /// The line.
        title: String,
        /// The text.
        text: String,
    },
    /// Blocks beside each other where there is room.
    Beside(Vec<Block>),
}

impl Page {
    /// A page with a title.
    pub fn new(title: impl Into<String>) -> Self {
        Page { title: title.into(), ..Page::default() }
    }

    /// One more line under the title.
    #[must_use]
    pub fn subtitle(mut self, text: impl Into<String>) -> Self {
        self.subtitle.push(text.into());
        self
    }

    /// What the report comes to.
    #[must_use]
    pub fn verdict(mut self, verdict: Verdict) -> Self {
        self.verdict = Some(verdict);
        self
    }

    /// One more section.
    #[must_use]
    pub fn section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }

    /// The whole document.
    pub fn html(&self) -> String {
        let mut out = String::with_capacity(STYLE.len() + SCRIPT.len() + 64 * 1024);
        push!(
            out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
             script-src 'unsafe-inline'; img-src data:\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n",
            title = Escaped(&self.title)
        );
        for line in &self.subtitle {
            push!(out, "<p class=\"soft\">{}</p>\n", Escaped(line));
        }
        out.push_str("</header>\n");
        if let Some(verdict) = &self.verdict {
            verdict.write(&mut out);
        }
        if self.sections.len() >= LINKED_SECTIONS_MIN {
            out.push_str("<nav aria-label=\"Sections\">");
            for (number, section) in self.sections.iter().enumerate() {
                push!(out, "<a href=\"#s{number}\">{}</a>", Escaped(&section.title));
            }
            out.push_str("</nav>\n");
        }
        out.push_str("<main>\n");
        for (number, section) in self.sections.iter().enumerate() {
            section.write(number, &mut out);
        }
        push!(out, "</main>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n");
        out
    }
}

impl Verdict {
    /// A word and a sentence.
    pub fn new(tone: Tone, word: impl Into<String>, sentence: impl Into<String>) -> Self {
        Verdict { tone, word: word.into(), sentence: sentence.into(), reasons: Vec::new() }
    }

    /// One more reason, on a line of its own.
    #[must_use]
    pub fn reason(mut self, text: impl Into<String>) -> Self {
        self.reasons.push(text.into());
        self
    }

    fn write(&self, out: &mut String) {
        push!(
            out,
            "<div class=\"verdict {}\"><p><span class=\"badge {}\">{}</span> {}</p>",
            self.tone.class(),
            self.tone.class(),
            Escaped(&self.word),
            Escaped(&self.sentence)
        );
        list(&self.reasons, out);
        out.push_str("</div>\n");
    }
}

fn list(lines: &[String], out: &mut String) {
    if lines.is_empty() {
        return;
    }
    out.push_str("<ul>");
    for line in lines {
        push!(out, "<li>{}</li>", Escaped(line));
    }
    out.push_str("</ul>");
}

impl Section {
    /// A section with a heading.
    pub fn new(title: impl Into<String>) -> Self {
        Section { title: title.into(), ..Section::default() }
    }

    /// What a reader should know before the rest.
    #[must_use]
    pub fn lead(mut self, text: impl Into<String>) -> Self {
        self.lead = text.into();
        self
    }

    /// One more block.
    #[must_use]
    pub fn with(mut self, block: impl Into<Block>) -> Self {
        self.push(block);
        self
    }

    /// Adds a block.
    pub fn push(&mut self, block: impl Into<Block>) {
        self.blocks.push(block.into());
    }

    fn write(&self, number: usize, out: &mut String) {
        push!(
            out,
            "<section id=\"s{number}\" aria-labelledby=\"h{number}\">\n<h2 id=\"h{number}\">{}</h2>\n",
            Escaped(&self.title)
        );
        if !self.lead.is_empty() {
            push!(out, "<p class=\"lead\">{}</p>\n", Escaped(&self.lead));
        }
        for block in &self.blocks {
            block.write(out);
        }
        out.push_str("</section>\n");
    }
}

impl Figure {
    /// A figure and what it is.
    pub fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Figure { label: label.into(), value: value.into(), ..Figure::default() }
    }

    /// A smaller line under it.
    #[must_use]
    pub fn detail(mut self, text: impl Into<String>) -> Self {
        self.detail = text.into();
        self
    }

    /// Good or bad news.
    #[must_use]
    pub fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }
}

impl Block {
    fn write(&self, out: &mut String) {
        match self {
            Block::Text(text) => push!(out, "<p>{}</p>\n", Escaped(text)),
            Block::Note(tone, text) => {
                push!(out, "<p class=\"note {}\">{}</p>\n", tone.class(), Escaped(text));
            }
            Block::Figures(figures) => {
                out.push_str("<dl class=\"figures\">\n");
                for figure in figures {
                    push!(
                        out,
                        "<div class=\"{}\"><dt>{}</dt><dd>{}",
                        figure.tone.class(),
                        Escaped(&figure.label),
                        Escaped(&figure.value)
                    );
                    if !figure.detail.is_empty() {
                        push!(out, "<small>{}</small>", Escaped(&figure.detail));
                    }
                    out.push_str("</dd></div>\n");
                }
                out.push_str("</dl>\n");
            }
            Block::Facts(facts) => {
                out.push_str("<dl class=\"facts\">\n");
                for (name, value) in facts {
                    push!(out, "<div><dt>{}</dt><dd>{}</dd></div>\n", Escaped(name), Escaped(value));
                }
                out.push_str("</dl>\n");
            }
            Block::Table(table) => table.write(out),
            Block::Plot(plot) => plot.write(out),
            Block::Bars(bars) => bars.write(out),
            Block::File { title, text } => push!(
                out,
                "<details><summary>{}</summary><pre tabindex=\"0\">{}</pre></details>\n",
                Escaped(title),
                Escaped(text)
            ),
            Block::Beside(blocks) => {
                out.push_str("<div class=\"beside\">\n");
                for block in blocks {
                    out.push_str("<div>");
                    block.write(out);
                    out.push_str("</div>");
                }
                out.push_str("</div>\n");
            }
        }
    }
}

impl From<Vec<Figure>> for Block {
    fn from(figures: Vec<Figure>) -> Self {
        Block::Figures(figures)
    }
}

impl From<Table> for Block {
    fn from(table: Table) -> Self {
        Block::Table(table)
    }
}

impl From<Plot> for Block {
    fn from(plot: Plot) -> Self {
        Block::Plot(plot)
    }
}

impl From<Bars> for Block {
    fn from(bars: Bars) -> Self {
        Block::Bars(bars)
    }
}

impl Tone {
    pub(crate) fn class(self) -> &'static str {
        match self {
            Tone::Plain => "plain",
            Tone::Good => "good",
            Tone::Warning => "warning",
            Tone::Bad => "bad",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Align, Bar, Cell, Series, Unit};

    #[test]
    fn all_text_is_escaped_and_nothing_comes_from_outside() {
        const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&</script>";
        let page = Page::new(HOSTILE)
            .subtitle(HOSTILE)
            .verdict(Verdict::new(Tone::Bad, HOSTILE, HOSTILE).reason(HOSTILE))
            .section(
                Section::new(HOSTILE)
                    .lead(HOSTILE)
                    .with(Block::Text(HOSTILE.to_owned()))
                    .with(Block::Note(Tone::Warning, HOSTILE.to_owned()))
                    .with(vec![Figure::new(HOSTILE, HOSTILE).detail(HOSTILE)])
                    .with(Block::Facts(vec![(HOSTILE.to_owned(), HOSTILE.to_owned())]))
                    .with(
                        Table::new([(HOSTILE, Align::Left)])
                            .caption(HOSTILE)
                            .row([Cell::badge(Tone::Good, HOSTILE)]),
                    )
                    .with(
                        Plot::over_time(HOSTILE)
                            .note(HOSTILE)
                            .series(Series::line(HOSTILE, [(0.0, 1.0), (1.0, 2.0)]))
                            .band(0.0, 1.0, HOSTILE)
                            .mark(0.5, HOSTILE)
                            .limit(1.0, HOSTILE),
                    )
                    .with(Bars::new(HOSTILE, Unit::Ratio).note(HOSTILE).limit(1.0, HOSTILE).bar(Bar {
                        name: HOSTILE.to_owned(),
                        value: 1.0,
                        text: HOSTILE.to_owned(),
                        tone: Tone::Good,
                    }))
                    .with(Block::File { title: HOSTILE.to_owned(), text: HOSTILE.to_owned() }),
            );
        let html = page.html();
        assert!(!html.contains("<img"), "{html}");
        // The page's own script and the data of its plot, nothing else.
        assert_eq!(html.matches("</script>").count(), 2);
        for outside in ["http://", "https://", "url(", "@import", "src=\""] {
            assert!(!html.contains(outside), "{outside}");
        }
        assert!(html.contains("default-src 'none'"));
    }

    #[test]
    fn long_pages_begin_with_links() {
        let page = |sections: usize| {
            (0..sections)
                .fold(Page::new("p"), |page, number| page.section(Section::new(number.to_string())))
                .html()
        };
        assert!(!page(3).contains("<nav") && page(4).contains("<a href=\"#s3\">3</a>"));
    }
}
