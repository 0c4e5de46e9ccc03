//! The look of Dunlin's reports: one HTML file that needs nothing besides itself, for the load test and the bench.
//!
//! A [`Page`] is plain data: sections of figures, tables, notes and plots. [`Page::html`] writes it, with its style and
//! script inside, light or dark as the reader's system is, from a phone's width up; a content security policy in it
//! forbids everything from outside. All text is escaped here, so that callers pass what they measured as it is.
//!
//! It must not know what is measured, nor read or write a file.
//!
//! ```
//! use dunlin_report::{Figure, Page, Plot, Section, Series, Tone, Unit, Verdict};
//!
//! let pushes = [(0.5, 1.2e6), (0.9, 2.1e6), (0.99, 4.8e6), (0.999, 9.3e6)];
//! let page = Page::new("Load test")
//!     .subtitle("steady · 200 clients · revision 1a2b3c4")
//!     .verdict(Verdict::new(Tone::Good, "Met", "Both thresholds hold."))
//!     .section(
//!         Section::new("Push")
//!             .lead("From the moment at which an update was due to its arrival.")
//!             .with(vec![
//!                 Figure::new("p50", Unit::Nanoseconds.text(1.2e6)),
//!                 Figure::new("p99", Unit::Nanoseconds.text(4.8e6)).tone(Tone::Good),
//!             ])
//!             .with(Plot::by_percentile("Latency by percentile").series(Series::line("push", pushes)).limit(5e6, "p99 < 5 ms")),
//!     );
//! let html = page.html();
//! assert!(html.starts_with("<!doctype html>") && html.contains("4.80 ms"));
//! ```
//!
//! To read it: `unit` writes values, `page` puts blocks together, `table` and `bars` are two of them, `plot` is the
//! largest, drawn with the ticks of `scale`.

mod bars;
mod html;
mod page;
mod plot;
mod scale;
mod table;
mod unit;

pub use bars::{Bar, Bars};
pub use page::{Block, Figure, Page, Section, Tone, Verdict};
pub use plot::{Axis, Band, Limit, Mark, Plot, Series, Stroke};
pub use scale::Scale;
pub use table::{Align, Cell, Table};
pub use unit::Unit;
