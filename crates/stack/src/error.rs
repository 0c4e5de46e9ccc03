use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a template does not become a stack. The text names the file, the line where there is one, and what to do.
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
    /// The template as a whole is at fault, or a parameter given from outside.
    #[error("{}: {message}", file.display())]
    Whole {
        /// The template, as it was given.
        file: PathBuf,
        /// One sentence.
        message: String,
    },
    /// Something in the template is wrong, or cannot be honoured.
    #[error("{}:{line}: {message}", file.display())]
    At {
        /// The template, as it was given.
        file: PathBuf,
        /// Line in the template, from 1.
        line: usize,
        /// One sentence.
        message: String,
    },
}

impl TemplateError {
    /// The line that is at fault, from 1, if one is.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::At { line, .. } => Some(*line),
            Self::Read { .. } | Self::Whole { .. } => None,
        }
    }
}

/// A fault before the file's name is known to the code that finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) line: Option<usize>,
    pub(crate) message: String,
}

/// Characters of one sentence: it quotes the template, where a value may have any length.
const MESSAGE_CHARS_MAX: usize = 400;

/// The message as one line of bounded length, whatever the template holds.
fn one_line(message: &str) -> String {
    let line = |c: char| if c.is_control() { ' ' } else { c };
    let mut characters = message.chars().map(line);
    let mut kept: String = characters.by_ref().take(MESSAGE_CHARS_MAX).collect();
    if characters.next().is_some() {
        kept.push('…');
    }
    kept
}

/// What everything inside the crate returns.
pub(crate) type Outcome<T> = Result<T, Fault>;

impl Fault {
    pub(crate) fn at(line: usize, message: impl Into<String>) -> Self {
        Self { line: Some(line), message: message.into() }
    }

    pub(crate) fn whole(message: impl Into<String>) -> Self {
        Self { line: None, message: message.into() }
    }

    pub(crate) fn in_file(self, file: &Path) -> TemplateError {
        let Self { line, message } = self;
        let message = one_line(&message);
        let file = file.to_owned();
        match line {
            Some(line) => TemplateError::At { file, line, message },
            None => TemplateError::Whole { file, message },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_one_line_of_bounded_length() {
        let error = Fault::at(3, "is a\nb\x1b[31m").in_file(Path::new("t.yaml"));
        assert_eq!(error.to_string(), "t.yaml:3: is a b [31m");
        let error = Fault::whole("é".repeat(500)).in_file(Path::new("t.yaml"));
        assert_eq!(error.to_string(), format!("t.yaml: {}…", "é".repeat(400)));
    }
}
