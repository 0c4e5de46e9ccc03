//! Texts with placeholders: `{"action":"say","text":"{stamp}"}`.

/// Most bytes of a template: what the service takes in one message.
const TEMPLATE_BYTES_MAX: usize = dunlin_events::limits::MESSAGE_BYTES_MAX;

/// What can stand in a template.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Placeholder {
    /// All topics of a client, as the elements of a JSON list.
    Topics,
    /// The topic of an update; in a subscription, the client's first.
    Topic,
    /// The mark that pushes and replies are recognised by.
    Stamp,
    /// The update's version, from 1; of a message, its number.
    Version,
    /// The client's number.
    User,
    /// The run's id.
    Run,
}

const PLACEHOLDERS: [(&str, Placeholder); 6] = [
    ("topics", Placeholder::Topics),
    ("topic", Placeholder::Topic),
    ("stamp", Placeholder::Stamp),
    ("version", Placeholder::Version),
    ("user", Placeholder::User),
    ("run", Placeholder::Run),
];

/// A text with placeholders, parsed once.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    /// Each text and what follows it.
    parts: Vec<(String, Placeholder)>,
    end: String,
}

impl Template {
    /// Parses a template that may use some of the placeholders. A brace is only one of a placeholder if a word and the
    /// closing brace follow it, so that JSON needs no escapes.
    ///
    /// # Errors
    ///
    /// A sentence for a word that is no placeholder, or none of the allowed ones.
    pub(crate) fn parse(text: &str, allowed: &[Placeholder]) -> Result<Template, String> {
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(format!("has {} bytes, more than the {TEMPLATE_BYTES_MAX} of a message", text.len()));
        }
        let (mut parts, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find('{') {
            let after = &rest[at + 1..];
            let word = after.split_once('}').map(|(word, _)| word);
            let is_word =
                |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            let Some(word) = word.filter(is_word) else {
                literal.push_str(&rest[..=at]);
                rest = after;
                continue;
            };
            let known =
                PLACEHOLDERS.iter().find(|(name, _)| *name == word).map(|(_, placeholder)| *placeholder);
            let Some(placeholder) = known.filter(|known| allowed.contains(known)) else {
                let names: Vec<String> = PLACEHOLDERS
                    .iter()
                    .filter(|(_, placeholder)| allowed.contains(placeholder))
                    .map(|(name, _)| format!("{{{name}}}"))
                    .collect();
                return Err(format!("uses {{{word}}}: here it can use {}", names.join(", ")));
            };
            literal.push_str(&rest[..at]);
            parts.push((std::mem::take(&mut literal), placeholder));
            rest = &after[word.len() + 1..];
        }
        literal.push_str(rest);
        Ok(Template { parts, end: literal })
    }

    pub(crate) fn uses(&self, placeholder: Placeholder) -> bool {
        self.parts.iter().any(|(_, used)| *used == placeholder)
    }

    /// The text with its placeholders filled in by `fill`.
    pub(crate) fn render(&self, mut fill: impl FnMut(Placeholder, &mut String)) -> String {
        let mut text = String::with_capacity(
            self.end.len() + self.parts.iter().map(|(t, _)| t.len() + 80).sum::<usize>(),
        );
        for (literal, placeholder) in &self.parts {
            text.push_str(literal);
            fill(*placeholder, &mut text);
        }
        text.push_str(&self.end);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_needs_no_escapes() {
        let text = r#"{"action":"say","n":{version},"to":[{topics}],"x":{"text":"{stamp}"},"y":{}}"#;
        let template =
            Template::parse(text, &[Placeholder::Version, Placeholder::Topics, Placeholder::Stamp]).unwrap();
        let rendered = template.render(|placeholder, out| {
            out.push_str(match placeholder {
                Placeholder::Version => "7",
                Placeholder::Topics => r#""a","b""#,
                _ => "S",
            });
        });
        assert_eq!(rendered, r#"{"action":"say","n":7,"to":["a","b"],"x":{"text":"S"},"y":{}}"#);
        assert!(template.uses(Placeholder::Stamp) && !template.uses(Placeholder::Run));
    }

    #[test]
    fn a_wrong_placeholder_is_named_with_the_right_ones() {
        for text in ["{\"a\":\"{stmp}\"}", "{topics}"] {
            let error = Template::parse(text, &[Placeholder::Stamp, Placeholder::Run]).unwrap_err();
            assert!(error.contains("here it can use {stamp}, {run}"), "{error}");
        }
    }
}
