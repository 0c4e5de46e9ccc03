use std::{fs::File, io::Read, path::Path};

use crate::{
    Parameters, Stack, TemplateError,
    error::{Fault, Outcome},
    graph,
    node::{self, TEMPLATE_BYTES_MAX},
    notes::Notes,
    resources::{self, Parts},
    scope::Scope,
    template::Template,
};

impl Stack {
    /// Reads the template at `path`.
    ///
    /// # Errors
    /// If the file cannot be read, is not a template, or asks for something that cannot be honoured.
    pub fn load(path: &Path, parameters: &Parameters) -> Result<Self, TemplateError> {
        let unreadable = |source| TemplateError::Read { file: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        // One byte more than allowed tells a template that is too large from one that just fits.
        file.take(TEMPLATE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
            Fault::at(line, "this line is not UTF-8; save the template as UTF-8").in_file(path)
        })?;
        Self::parse(path, &text, parameters)
    }

    /// Reads a template from memory; `path` is where it would lie: its folder is the base of relative code paths.
    ///
    /// # Errors
    /// As [`Stack::load`].
    pub fn parse(path: &Path, text: &str, parameters: &Parameters) -> Result<Self, TemplateError> {
        let absolute = std::path::absolute(path)
            .map_err(|source| TemplateError::Read { file: path.to_owned(), source })?;
        let base = absolute.parent().unwrap_or(&absolute);
        let (parts, notes) = read(text, parameters, base).map_err(|fault| fault.in_file(path))?;
        let Parts { apis, functions, tables, rules, permissions } = parts;
        let Parameters { region, account_id, stack_name, values: _ } = parameters.clone();
        Ok(Self {
            region,
            account_id,
            stack_name,
            apis,
            functions,
            tables,
            rules,
            permissions,
            notes: notes.finish(),
            template: absolute,
        })
    }
}

fn read(text: &str, parameters: &Parameters, base: &Path) -> Outcome<(Parts, Notes)> {
    if text.len() > TEMPLATE_BYTES_MAX {
        return Err(Fault::whole(format!(
            "the template is larger than {TEMPLATE_BYTES_MAX} bytes; make it smaller"
        )));
    }
    let root = node::parse(text)?;
    let mut notes = Notes::default();
    let template = Template::read(&root, &parameters.values, &mut notes)?;
    let order = graph::check(&template)?;
    let scope = Scope::new(parameters, &template, notes);
    scope.name_all(&order)?;
    let parts = resources::build(&scope, &template, base)?;
    Ok((parts, scope.into_notes()))
}
