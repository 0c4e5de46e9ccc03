use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    snippet::snippet,
    source::{Sources, Span},
};

/// Why a template does not become a stack.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The file cannot be read.
    #[error("{}: cannot read the template: {source}", file.display())]
    Read {
        /// The template, as it was given.
        file: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Something in it is wrong, or cannot be honoured. The text is one sentence per problem, each with its file, line and
    /// column, the line itself and a caret.
    #[error("{0}")]
    Invalid(Problems),
}

impl TemplateError {
    /// What is wrong with the template; empty if it could not be read.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid(problems) => &problems.list,
            Self::Read { .. } => &[],
        }
    }
}

/// Everything that is wrong with a template, in the order of its lines: at most [`PROBLEMS_MAX`], and a count of the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    more: usize,
}

/// Problems of one template that are told: ours. Later ones tend to follow from the first.
pub const PROBLEMS_MAX: usize = 20;

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            let line = if index > 0 { "\n" } else { "" };
            write!(f, "{line}{problem}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\n{more} more problems"),
        }
    }
}

/// One thing that is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    file: Arc<Path>,
    /// Line and column, from 1; none if it is about the file as a whole.
    position: Option<(usize, usize)>,
    message: String,
    snippet: Option<String>,
}

impl Problem {
    /// The file, as it was given.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The line, from 1; none if the problem is about the file as a whole.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.position.map(|(line, _)| line)
    }

    /// The column in characters, from 1.
    #[must_use]
    pub fn column(&self) -> Option<usize> {
        self.position.map(|(_, column)| column)
    }

    /// One sentence of bounded length: what is wrong and what to do.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The line of the file and a caret below, two lines without an end of line.
    #[must_use]
    pub fn snippet(&self) -> Option<&str> {
        self.snippet.as_deref()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match self.position {
            Some((line, column)) => write!(f, "{file}:{line}:{column}: {}", self.message)?,
            None => write!(f, "{file}: {}", self.message)?,
        }
        match &self.snippet {
            Some(snippet) => write!(f, "\n{snippet}"),
            None => Ok(()),
        }
    }
}

/// A problem before it is told: where and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: Span,
    pub(crate) message: String,
}

/// What everything inside the crate returns.
pub(crate) type Outcome<T> = Result<T, Fault>;

/// Characters of one sentence: it quotes the template, where a value may have any length.
const MESSAGE_CHARS_MAX: usize = 400;

/// The message as one line of bounded length, whatever the template holds.
pub(crate) fn one_line(message: &str) -> String {
    let line = |c: char| if c.is_control() { ' ' } else { c };
    let mut characters = message.chars().map(line);
    let mut kept: String = characters.by_ref().take(MESSAGE_CHARS_MAX).collect();
    if characters.next().is_some() {
        kept.push('…');
    }
    kept
}

impl Fault {
    pub(crate) fn at(at: Span, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }

    pub(crate) fn tell(&self, sources: &Sources) -> Problem {
        let Span { source, line, column, len } = self.at;
        let source = sources.get(source);
        Problem {
            file: source.path.clone(),
            position: (line > 0).then_some((line as usize, column.max(1) as usize)),
            message: one_line(&self.message),
            snippet: snippet(&source.text, line, column, len),
        }
    }
}

/// The faults as one error, each told once.
pub(crate) fn invalid(mut faults: Vec<Fault>, sources: &Sources) -> TemplateError {
    faults.sort_by_key(|fault| (fault.at.source, fault.at.line, fault.at.column));
    faults.dedup();
    let more = faults.len().saturating_sub(PROBLEMS_MAX);
    faults.truncate(PROBLEMS_MAX);
    TemplateError::Invalid(Problems { list: faults.iter().map(|fault| fault.tell(sources)).collect(), more })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    fn sources(text: &str) -> Sources {
        let mut sources = Sources::default();
        sources.add(Source { path: Path::new("t.yaml").into(), folder: "/".into(), text: text.into() });
        sources
    }

    #[test]
    fn a_sentence_is_one_line_of_bounded_length() {
        let fault = Fault::at(Span::new(0, 3, 2, 1), "is a\nb\x1b[31m");
        assert_eq!(fault.tell(&sources("")).to_string(), "t.yaml:3:2: is a b [31m");
        let fault = Fault::at(Span::whole(0), "é".repeat(500));
        assert_eq!(fault.tell(&sources("")).to_string(), format!("t.yaml: {}…", "é".repeat(400)));
    }

    #[test]
    fn problems_come_in_order_and_are_bounded() {
        let fault = |line: usize| Fault::at(Span::new(0, line, 1, 1), "is wrong");
        let error = invalid(vec![fault(2), fault(1), fault(2)], &sources("a: 1\nb: 2\n"));
        assert_eq!(
            error.to_string(),
            "t.yaml:1:1: is wrong\n 1 | a: 1\n   | ^\nt.yaml:2:1: is wrong\n 2 | b: 2\n   | ^"
        );
        let error = invalid((1..=100).map(fault).collect(), &sources(""));
        assert_eq!(error.problems().len(), PROBLEMS_MAX);
        assert!(error.to_string().ends_with("t.yaml:20:1: is wrong\n80 more problems"));
    }
}
