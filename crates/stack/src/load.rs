use std::path::Path;

use crate::{Parameters, Stack, TemplateError};

impl Stack {
    /// Reads the template at `path`.
    ///
    /// # Errors
    /// If the file cannot be read, is not a template, or asks for something that cannot be honoured.
    pub fn load(path: &Path, parameters: &Parameters) -> Result<Self, TemplateError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| TemplateError::Read { file: path.to_owned(), source })?;
        Self::parse(path, &text, parameters)
    }

    /// Reads a template from memory; `path` is where it would lie: its folder is the base of relative code paths.
    ///
    /// # Errors
    /// As [`Stack::load`].
    pub fn parse(path: &Path, _text: &str, _parameters: &Parameters) -> Result<Self, TemplateError> {
        Err(crate::error::Fault::whole("not built yet").in_file(path))
    }
}
