use std::{
    cell::{Cell, RefCell},
    fs::File,
    io::{self, Read},
    path::Path,
};

use crate::{
    Parameters, Stack, TemplateError,
    error::{Fault, Outcome, invalid},
    findings::Findings,
    resolve::{Instance, Resolver},
    resources,
    source::{Source, Sources, Span},
};

/// Bytes of a template: what the service takes from a bucket.
const TEMPLATE_BYTES_MAX: usize = 1_000_000;

impl Stack {
    /// Reads the template at `path`, and those that it names as nested stacks.
    ///
    /// # Errors
    /// If the file cannot be read, is not a template, or asks for something that cannot be honoured.
    pub fn load(path: &Path, parameters: &Parameters) -> Result<Self, TemplateError> {
        let unreadable = |source| TemplateError::Read { file: path.to_owned(), source };
        let bytes = read_bytes(path).map_err(unreadable)?;
        Self::read(path, &bytes, parameters)
    }

    /// Reads a template from memory; `path` is where it would lie: its folder is the base of relative paths in it.
    ///
    /// # Errors
    /// As [`Stack::load`].
    pub fn parse(path: &Path, text: &str, parameters: &Parameters) -> Result<Self, TemplateError> {
        Self::read(path, text.as_bytes(), parameters)
    }

    fn read(path: &Path, bytes: &[u8], parameters: &Parameters) -> Result<Self, TemplateError> {
        let template = std::path::absolute(path)
            .map_err(|source| TemplateError::Read { file: path.to_owned(), source })?;
        let mut sources = Sources::default();
        let source = match add(&mut sources, path, &template, bytes) {
            Ok(source) => source,
            Err(fault) => return Err(invalid(vec![fault], &sources)),
        };
        let findings = Findings::default();
        let resolver = Resolver {
            settings: parameters,
            findings: &findings,
            sources: RefCell::new(sources),
            stacks: Cell::new(1),
        };
        let resolved = resolver.resolve(&Instance {
            source,
            stack_name: parameters.stack_name.clone(),
            prefix: String::new(),
            values: &parameters.values,
            depth: 0,
        });
        let sources = resolver.sources.into_inner();
        let parts = resources::build(&resolved.resources, parameters, &sources, &findings);
        let notes = findings.finish(&sources).map_err(|faults| invalid(faults, &sources))?;
        let resources::Parts {
            apis,
            domains,
            api_keys,
            usage_plans,
            functions,
            tables,
            rules,
            queues,
            permissions,
        } = parts;
        let Parameters { region, account_id, stack_name, .. } = parameters.clone();
        Ok(Self {
            template,
            region,
            account_id,
            stack_name,
            apis,
            domains,
            api_keys,
            usage_plans,
            functions,
            tables,
            rules,
            queues,
            permissions,
            outputs: resolved.outputs,
            notes,
            sources,
        })
    }
}

/// Reads a file, one byte further than allowed: that tells a template that is too large from one that just fits.
pub(crate) fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(TEMPLATE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Adds a file to `sources`: `shown` is its path for sentences, `file` its absolute one.
pub(crate) fn add(sources: &mut Sources, shown: &Path, file: &Path, bytes: &[u8]) -> Outcome<u16> {
    let folder = file.parent().unwrap_or(file).to_owned();
    let mut new =
        |text: &str| sources.add(Source { path: shown.into(), folder: folder.clone(), text: text.into() });
    if bytes.len() > TEMPLATE_BYTES_MAX {
        let message = format!("the template is larger than {TEMPLATE_BYTES_MAX} bytes; make it smaller");
        return Err(Fault::at(Span::whole(new("")), message));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        let message = "the template is UTF-16; save it as UTF-8";
        return Err(Fault::at(Span::whole(new("")), message));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            let source = new(text);
            match text.char_indices().find(|(_, c)| is_not_text(*c)) {
                None => Ok(source),
                Some((offset, c)) => {
                    let message = format!(
                        "the character U+{:04X} stands here, which no template may have; is this a text file?",
                        u32::from(c)
                    );
                    Err(Fault::at(place_of(source, text, offset), message))
                }
            }
        }
        Err(error) => {
            let source = new(&String::from_utf8_lossy(bytes));
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let at = place_of(source, &valid, valid.len());
            Err(Fault::at(at, "this is not UTF-8; save the template as UTF-8"))
        }
    }
}

/// Control characters that YAML does not allow.
fn is_not_text(c: char) -> bool {
    c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r')
}

fn place_of(source: u16, text: &str, offset: usize) -> Span {
    let before = &text[..offset];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    Span::new(source, line, before[start..].chars().count() + 1, 1)
}
