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
        let file = file.to_owned();
        match line {
            Some(line) => TemplateError::At { file, line, message },
            None => TemplateError::Whole { file, message },
        }
    }
}
