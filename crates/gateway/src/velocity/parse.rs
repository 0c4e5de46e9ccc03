//! Templates: text with references and directives in it.

use super::{
    NESTING_MAX, TEMPLATE_BYTES_MAX, TemplateError,
    ast::{Block, Expression, Node, Reference, Step},
};

/// Directives of Velocity that mapping templates have no use for.
const NOT_AVAILABLE: [&str; 6] = ["macro", "include", "parse", "evaluate", "define", "literal"];

pub(super) fn template(source: &str) -> Result<Block, TemplateError> {
    if source.len() > TEMPLATE_BYTES_MAX {
        return Err(TemplateError { at: 0, problem: format!("is larger than {TEMPLATE_BYTES_MAX} bytes") });
    }
    template_at_depth(source, 0)
}

/// A template that stands inside of another.
pub(super) fn template_at_depth(source: &str, depth: usize) -> Result<Block, TemplateError> {
    let mut parser = Parser { source, at: 0, depth };
    let (block, end) = parser.block()?;
    match end {
        End::Input => Ok(block),
        End::Directive { name, at } => {
            Err(TemplateError { at, problem: format!("#{name} has no #if or #foreach before it") })
        }
    }
}

/// Reads a template; expressions are in a module of their own.
pub(super) struct Parser<'s> {
    pub(super) source: &'s str,
    pub(super) at: usize,
    pub(super) depth: usize,
}

/// What a block ends with.
enum End {
    Input,
    /// `#end`, `#else` or `#elseif`.
    Directive {
        name: &'static str,
        at: usize,
    },
}

impl<'s> Parser<'s> {
    /// Up to the end, or to the directive that ends the block.
    fn block(&mut self) -> Result<(Block, End), TemplateError> {
        self.deeper(Self::block_inside)
    }

    fn block_inside(&mut self) -> Result<(Block, End), TemplateError> {
        let mut block = Vec::new();
        let mut text = String::new();
        loop {
            let rest = self.rest();
            let Some(special) = rest.find(['$', '#', '\\']) else {
                text.push_str(rest);
                self.at = self.source.len();
                flush(&mut block, &mut text);
                return Ok((block, End::Input));
            };
            text.push_str(&rest[..special]);
            self.at += special;
            match self.source.as_bytes()[self.at] {
                b'\\' => self.backslashes(&mut text),
                b'$' => match self.reference()? {
                    Some(reference) => {
                        flush(&mut block, &mut text);
                        block.push(Node::Reference(reference));
                    }
                    None => self.literally(&mut text),
                },
                _ if self.comment(&mut text)? => {}
                _ => {
                    let at = self.at;
                    let Some(name) = self.directive_name() else {
                        self.literally(&mut text);
                        continue;
                    };
                    match name {
                        "end" | "else" | "elseif" => {
                            flush(&mut block, &mut text);
                            let name = match name {
                                "end" => "end",
                                "else" => "else",
                                _ => "elseif",
                            };
                            return Ok((block, End::Directive { name, at }));
                        }
                        _ => {
                            flush(&mut block, &mut text);
                            block.push(self.directive(name, at)?);
                        }
                    }
                }
            }
        }
    }

    /// A run of backslashes: before something that would be read, each pair is one, and an odd one makes it text.
    fn backslashes(&mut self, text: &mut String) {
        let rest = self.rest();
        let count = rest.len() - rest.trim_start_matches('\\').len();
        let after = &rest[count..];
        if !starts_reference(after) && !starts_directive(after) {
            text.push_str(&rest[..count]);
            self.at += count;
            return;
        }
        text.extend(std::iter::repeat_n('\\', count / 2));
        self.at += count;
        if count % 2 == 1 {
            self.literally(text);
        }
    }

    /// One `$` or `#` that means nothing.
    fn literally(&mut self, text: &mut String) {
        text.push_str(&self.source[self.at..=self.at]);
        self.at += 1;
    }

    /// `## …`, `#* … *#`, and `#[[ … ]]#`, which is text.
    fn comment(&mut self, text: &mut String) -> Result<bool, TemplateError> {
        let rest = self.rest();
        if rest.starts_with("##") {
            self.at += rest.find('\n').map_or(rest.len(), |end| end + 1);
            return Ok(true);
        }
        for (open, close) in [("#*", "*#"), ("#[[", "]]#")] {
            let Some(inside) = rest.strip_prefix(open) else { continue };
            let Some(end) = inside.find(close) else {
                return Err(self.error(format!("{open} is not closed; it ends with {close}")));
            };
            if open == "#[[" {
                text.push_str(&inside[..end]);
            }
            self.at += open.len() + end + close.len();
            return Ok(true);
        }
        Ok(false)
    }

    /// The name after `#`, in braces or not, if it is one that this language knows.
    fn directive_name(&mut self) -> Option<&'s str> {
        let (name, length) = directive_at(self.rest())?;
        self.at += length;
        Some(name)
    }

    fn directive(&mut self, name: &str, at: usize) -> Result<Node, TemplateError> {
        match name {
            "set" => {
                self.open(name, at)?;
                let target = self
                    .reference()?
                    .ok_or_else(|| self.error("#set starts with a reference: #set($x = 1)"))?;
                if target.steps.iter().any(|step| matches!(step, Step::Method(..))) {
                    return Err(self.error("#set cannot assign to a method"));
                }
                self.expect("=", "#set needs a =: #set($x = 1)")?;
                let value = self.expression()?;
                self.close(name)?;
                Ok(Node::Set(target, value))
            }
            "if" => self.branches(at),
            "foreach" => {
                self.open(name, at)?;
                let item = self
                    .reference()?
                    .filter(|item| item.steps.is_empty())
                    .ok_or_else(|| self.error("#foreach names its item: #foreach($item in $list)"))?;
                self.expect_word("in", "#foreach needs an in: #foreach($item in $list)")?;
                let list = self.expression()?;
                self.close(name)?;
                let (body, end) = self.block()?;
                match end {
                    End::Directive { name: "end", .. } => {
                        self.end_of_line();
                        Ok(Node::ForEach { item: item.name, list, body })
                    }
                    End::Directive { name, at } => Err(TemplateError {
                        at,
                        problem: format!("#{name} is inside a #foreach that began before"),
                    }),
                    End::Input => Err(TemplateError { at, problem: "#foreach has no #end".to_owned() }),
                }
            }
            "break" => Ok(Node::Break),
            "stop" | "return" => Ok(Node::Stop),
            other => {
                Err(TemplateError { at, problem: format!("#{other} is not available in mapping templates") })
            }
        }
    }

    fn branches(&mut self, at: usize) -> Result<Node, TemplateError> {
        let mut branches = Vec::new();
        let mut name = "if";
        let mut otherwise = Vec::new();
        loop {
            if name == "else" {
                self.end_of_line();
            } else {
                self.open(name, at)?;
                let condition = self.expression()?;
                self.close(name)?;
                branches.push((condition, Vec::new()));
            }
            let (body, end) = self.block()?;
            let End::Directive { name: next, at: next_at } = end else {
                return Err(TemplateError { at, problem: "#if has no #end".to_owned() });
            };
            if name == "else" {
                if next != "end" {
                    return Err(TemplateError { at: next_at, problem: format!("#{next} comes after #else") });
                }
                otherwise = body;
            } else if let Some(branch) = branches.last_mut() {
                branch.1 = body;
            }
            if next == "end" {
                self.end_of_line();
                return Ok(Node::If(branches, otherwise));
            }
            name = next;
        }
    }

    /// `$name`, `$!name`, `${name}` or `$!{name}` with what follows; none if the `$` means nothing.
    pub(super) fn reference(&mut self) -> Result<Option<Reference>, TemplateError> {
        self.skip_space_in_expression();
        let start = self.at;
        if !starts_reference(self.rest()) {
            return Ok(None);
        }
        self.at += 1;
        let quiet = self.take("!");
        let braces = self.take("{");
        let name = self.identifier();
        let mut steps = Vec::new();
        loop {
            if self.rest().starts_with('.') && starts_identifier(&self.rest()[1..]) {
                self.at += 1;
                let property = self.identifier();
                steps.push(if self.rest().starts_with('(') {
                    Step::Method(property.into(), self.deeper(Self::arguments)?)
                } else {
                    Step::Property(property.into())
                });
            } else if self.rest().starts_with('[') {
                let before = self.at;
                self.at += 1;
                // Behind a reference in text a bracket may well be text.
                let index =
                    self.expression().and_then(|index| self.expect("]", "[ is not closed").map(|()| index));
                match index {
                    Ok(index) => steps.push(Step::Index(index)),
                    Err(_) if !braces => {
                        self.at = before;
                        break;
                    }
                    Err(error) => return Err(error),
                }
            } else {
                break;
            }
        }
        if braces && !self.take("}") {
            return Err(self.error("a reference in braces ends with }"));
        }
        let source = self.source[start..self.at].into();
        Ok(Some(Reference { name: name.into(), steps, quiet, source }))
    }

    fn arguments(&mut self) -> Result<Vec<Expression>, TemplateError> {
        self.at += 1;
        self.list(")", "( is not closed")
    }

    fn identifier(&mut self) -> &'s str {
        let rest = self.rest();
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn open(&mut self, name: &str, at: usize) -> Result<(), TemplateError> {
        self.skip_space();
        if self.take("(") {
            return Ok(());
        }
        Err(TemplateError { at, problem: format!("#{name} needs its parentheses") })
    }

    /// The closing parenthesis; a line break behind a directive is part of it.
    fn close(&mut self, name: &str) -> Result<(), TemplateError> {
        self.skip_space();
        if !self.take(")") {
            return Err(self.error(format!("#{name}( is not closed; a ) is missing here")));
        }
        self.end_of_line();
        Ok(())
    }

    fn end_of_line(&mut self) {
        let rest = self.rest();
        let line = rest.trim_start_matches([' ', '\t']);
        let line = line.strip_prefix('\r').unwrap_or(line);
        if let Some(next) = line.strip_prefix('\n') {
            self.at += rest.len() - next.len();
        }
    }

    /// Runs `parse` one level deeper.
    pub(super) fn deeper<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, TemplateError>,
    ) -> Result<T, TemplateError> {
        if self.depth >= NESTING_MAX {
            return Err(self.error(format!("is nested more than {NESTING_MAX} deep")));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    pub(super) fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    pub(super) fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    pub(super) fn skip_space(&mut self) {
        self.at = self.source.len() - self.rest().trim_start().len();
    }

    /// A reference in an expression may have space before it, one in text has it for itself.
    fn skip_space_in_expression(&mut self) {
        if self.rest().starts_with(char::is_whitespace) {
            self.skip_space();
        }
    }

    pub(super) fn expect(&mut self, token: &str, problem: &str) -> Result<(), TemplateError> {
        self.skip_space();
        if self.take(token) { Ok(()) } else { Err(self.error(problem)) }
    }

    fn expect_word(&mut self, word: &str, problem: &str) -> Result<(), TemplateError> {
        self.skip_space();
        let before = self.at;
        if self.identifier() == word {
            return Ok(());
        }
        self.at = before;
        Err(self.error(problem))
    }

    pub(super) fn error(&self, problem: impl Into<String>) -> TemplateError {
        TemplateError { at: self.at, problem: problem.into() }
    }
}

fn flush(block: &mut Block, text: &mut String) {
    if !text.is_empty() {
        block.push(Node::Text(std::mem::take(text).into()));
    }
}

fn starts_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

fn starts_reference(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('$') else { return false };
    let rest = rest.strip_prefix('!').unwrap_or(rest);
    starts_identifier(rest.strip_prefix('{').unwrap_or(rest))
}

fn starts_directive(text: &str) -> bool {
    directive_at(text).is_some()
}

/// The directive that `text` starts with, and how long it is.
fn directive_at(text: &str) -> Option<(&str, usize)> {
    let rest = text.strip_prefix('#')?;
    let (braces, name) = match rest.strip_prefix('{') {
        Some(inside) => (true, inside),
        None => (false, rest),
    };
    let end = name.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(name.len());
    let name = &name[..end];
    let known = ["set", "if", "elseif", "else", "end", "foreach", "break", "stop", "return"].contains(&name)
        || NOT_AVAILABLE.contains(&name);
    if !known {
        return None;
    }
    if !braces {
        return Some((name, 1 + end));
    }
    rest[1 + end..].starts_with('}').then_some((name, end + 3))
}
