//! Mapping templates: the part of the Velocity Template Language that the service's request and response templates use (G7).
//!
//! There are references with properties, methods and indexes, `#set`, `#if`, `#foreach`, `#break` and `#stop`, and the
//! objects `$input`, `$context`, `$stageVariables` and `$util`. Lists, maps, texts and numbers have the methods that their
//! Java classes have, as far as templates can use them.
//!
//! A reference to nothing prints itself, as in Velocity; one that starts at an object of the service prints nothing.
//!
//! ```
//! use dunlin_gateway::velocity::{Inputs, Template};
//!
//! let template = Template::parse(r#"{"to": "$context.connectionId", "say": $input.json('$.text')}"#)?;
//! let context = serde_json::json!({"connectionId": "Zk3pQdXMDoECEeg="});
//! let inputs = Inputs { body: r#"{"text":"hello"}"#, context: &context, ..Inputs::default() };
//! assert_eq!(template.render(&inputs)?, r#"{"to": "Zk3pQdXMDoECEeg=", "say": "hello"}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ast;
mod expression;
mod inputs;
mod json_path;
mod methods;
mod parse;
mod render;
mod util;
mod value;

use dunlin_events::limits::{INVOKE_PAYLOAD_BYTES_MAX, MAPPING_TEMPLATE_BYTES_MAX};

pub use inputs::{Context, Inputs};

/// The service's bound (G7).
const TEMPLATE_BYTES_MAX: usize = MAPPING_TEMPLATE_BYTES_MAX;

/// Blocks and expressions within each other: ours; it bounds the stack.
const NESTING_MAX: usize = 64;

/// Rounds of one `#foreach`: the service's.
const ITERATIONS_MAX: usize = 1_000;

/// Nodes and expressions of one evaluation: ours, above what the service's bounds let a sensible template do. Loops within
/// loops would otherwise take hours.
const STEPS_MAX: usize = 250_000;

/// Bytes of one result, and of one text on the way there: ours, the most that a back end takes.
const OUTPUT_BYTES_MAX: usize = INVOKE_PAYLOAD_BYTES_MAX;

/// Items of one list or map: ours.
const ITEMS_MAX: usize = 100_000;

/// A mapping template, ready to be evaluated.
#[derive(Clone, PartialEq, Debug)]
pub struct Template {
    block: ast::Block,
}

/// What a template leaves in `$context`.
#[derive(Debug)]
pub(crate) enum Kept {
    /// This besides what was there.
    Changes(serde_json::Map<String, serde_json::Value>),
    /// This and nothing else.
    Whole(serde_json::Value),
}

/// Why a text is no mapping template.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{problem}")]
pub struct TemplateError {
    /// Where in the text, in bytes from its start.
    pub at: usize,
    /// What is wrong there.
    pub problem: String,
}

/// Why a template has no result for these inputs.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RenderError {
    /// A bound was reached.
    #[error("the template makes more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
}

impl TemplateError {
    /// Line and column in `source`, counted from 1.
    #[must_use]
    pub fn place(&self, source: &str) -> (usize, usize) {
        let before = &source[..self.at.min(source.len())];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// Whether this is a path into JSON.
pub(crate) fn is_json_path(path: &str) -> bool {
    json_path::JsonPath::parse(path).is_some()
}

/// What a path finds in a JSON text, as a text; none if there is nothing, or the text is not JSON.
pub(crate) fn json_path(text: &str, path: &str) -> Option<String> {
    let found = json_path::JsonPath::parse(path)?.find(&value::Value::from_json(text)?)?;
    (!matches!(found, value::Value::Null)).then(|| found.to_string())
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// If a directive is not closed, not available or not understood, or a bound is reached.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        Ok(Template { block: parse::template(source)? })
    }

    /// The text that comes out whatever goes in, if there is nothing but text.
    pub(crate) fn constant(&self) -> Option<&str> {
        match self.block.as_slice() {
            [] => Some(""),
            [ast::Node::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Evaluates the template, and returns what it leaves in `$context`.
    pub(crate) fn render_keeping_context(&self, inputs: &Inputs<'_>) -> Result<(String, Kept), RenderError> {
        render::Renderer::new(inputs).run_keeping_context(&self.block)
    }

    /// Evaluates the template.
    ///
    /// # Errors
    /// [`RenderError::Limit`]; anything else that goes wrong inside a template prints nothing, or itself.
    pub fn render(&self, inputs: &Inputs<'_>) -> Result<String, RenderError> {
        render::Renderer::new(inputs).run(&self.block)
    }
}

#[cfg(test)]
mod tests;
