//! Regular expressions. The service's are Java's; these run in linear time and for that lack look-around, backreferences,
//! possessive quantifiers and atomic groups. A text in a statement that uses them is refused, a computed one is undefined.

use regex::{Captures, Regex, RegexBuilder};

use super::limits::REGEX_BYTES_MAX;

/// Compiled sizes that are tried: what searching costs depends on which one is enough.
const SIZES: [usize; 4] = [REGEX_BYTES_MAX / 64, REGEX_BYTES_MAX / 16, REGEX_BYTES_MAX / 4, REGEX_BYTES_MAX];

/// Bytes of a compiled expression that cost as much for one byte of text as a byte costs elsewhere. At worst, every byte of
/// text visits every state of the expression.
const BYTES_PER_COST: usize = 128;

/// A compiled regular expression.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    regex: Regex,
    weight: usize,
}

impl Pattern {
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        let translated = translated(pattern);
        for bytes in SIZES {
            let mut builder = RegexBuilder::new(&translated);
            match builder.size_limit(bytes).dfa_size_limit(REGEX_BYTES_MAX).build() {
                Ok(regex) => return Ok(Self { regex, weight: bytes / BYTES_PER_COST }),
                Err(regex::Error::CompiledTooBig(_)) => {}
                // The last line of the library's message says what is wrong; those before draw it.
                Err(error) => {
                    let text = error.to_string();
                    let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
                    return Err(format!("this is no regular expression that can be run here: {reason}"));
                }
            }
        }
        Err(format!(
            "the regular expression takes more than {REGEX_BYTES_MAX} bytes; shorten its alternatives or repetitions"
        ))
    }

    /// What searching a text costs, in bytes.
    pub(super) fn cost(&self, text: &str) -> usize {
        text.len().saturating_mul(self.weight)
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The first match.
    pub(super) fn find<'t>(&self, text: &'t str) -> Option<&'t str> {
        self.regex.find(text).map(|found| found.as_str())
    }

    /// A replacement as Java writes it: `$1`, `${name}`, and `\` before what means itself. `None` if it names a group that
    /// the expression has not.
    pub(super) fn replacement(&self, text: &str) -> Option<Replacement> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['$', '\\']) {
            literal.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            if rest[at..].starts_with('\\') {
                let character = after.chars().next()?;
                literal.push(character);
                rest = &after[character.len_utf8()..];
                continue;
            }
            let (group, length) = self.group(after)?;
            parts.push(Part::Text(std::mem::take(&mut literal)));
            parts.push(Part::Group(group));
            rest = &after[length..];
        }
        literal.push_str(rest);
        parts.push(Part::Text(literal));
        Some(Replacement(parts))
    }

    /// The group that a reference after `$` names, and the length of the reference.
    fn group(&self, text: &str) -> Option<(usize, usize)> {
        if let Some(named) = text.strip_prefix('{') {
            let (name, _) = named.split_once('}')?;
            let group = self.regex.capture_names().position(|known| known == Some(name))?;
            return Some((group, name.len() + 2));
        }
        let mut digits = text.bytes().take_while(u8::is_ascii_digit).map(|digit| usize::from(digit - b'0'));
        // The first digit always counts, further ones as long as there is such a group.
        let mut group = digits.next()?;
        let mut length = 1;
        for digit in digits {
            let longer = group * 10 + digit;
            if longer >= self.regex.captures_len() {
                break;
            }
            (group, length) = (longer, length + 1);
        }
        (group < self.regex.captures_len()).then_some((group, length))
    }

    /// Every match replaced, up to `bytes_max` bytes. `None` if there would be more.
    pub(super) fn replace(&self, text: &str, replacement: &Replacement, bytes_max: usize) -> Option<String> {
        let mut replaced = String::new();
        let mut end = 0;
        for captures in self.regex.captures_iter(text) {
            let Some(whole) = captures.get(0) else { continue };
            replaced.push_str(&text[end..whole.start()]);
            replacement.expand(&captures, &mut replaced);
            end = whole.end();
            if replaced.len() > bytes_max {
                return None;
            }
        }
        replaced.push_str(&text[end..]);
        (replaced.len() <= bytes_max).then_some(replaced)
    }
}

/// Java's spelling into the library's: its classes are ASCII's there, and `\Q…\E` quotes.
fn translated(pattern: &str) -> String {
    let mut translated = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find('\\') {
        translated.push_str(&rest[..at]);
        let escaped = &rest[at + 1..];
        rest = escaped.get(1..).unwrap_or_default();
        match escaped.bytes().next() {
            Some(b'd') => translated.push_str("[0-9]"),
            Some(b'D') => translated.push_str("[^0-9]"),
            Some(b'w') => translated.push_str("[0-9A-Za-z_]"),
            Some(b'W') => translated.push_str("[^0-9A-Za-z_]"),
            Some(b's') => translated.push_str(r"[ \t\n\x0B\f\r]"),
            Some(b'S') => translated.push_str(r"[^ \t\n\x0B\f\r]"),
            Some(b'Q') => {
                let (quoted, after) = rest.split_once(r"\E").unwrap_or((rest, ""));
                translated.push_str(&regex::escape(quoted));
                rest = after;
            }
            _ => {
                let length = escaped.chars().next().map_or(0, char::len_utf8);
                translated.push('\\');
                translated.push_str(&escaped[..length]);
                rest = &escaped[length..];
            }
        }
    }
    translated.push_str(rest);
    translated
}

/// What matches are replaced with.
pub(super) struct Replacement(Vec<Part>);

enum Part {
    Text(String),
    Group(usize),
}

impl Replacement {
    fn expand(&self, captures: &Captures<'_>, out: &mut String) {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Group(group) => out.push_str(captures.get(*group).map_or("", |group| group.as_str())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements_are_javas() {
        let pattern = Pattern::new("(?<first>b)(.)").unwrap();
        for (replacement, expected) in [
            ("x", Some("axdaxd")),
            ("$2$1", Some("acbdacbd")),
            ("$1x", Some("abxdabxd")),
            ("$12", Some("ab2dab2d")),
            ("${first}", Some("abdabd")),
            ("\\$1\\\\", Some("a$1\\da$1\\d")),
            ("$0$0", Some("abcbcdabcbcd")),
            ("$3", None),
            ("$", None),
            ("$x", None),
            ("${none}", None),
            ("\\", None),
        ] {
            let replaced =
                pattern.replacement(replacement).and_then(|with| pattern.replace("abcdabcd", &with, 100));
            assert_eq!(replaced.as_deref(), expected, "{replacement}");
        }
        let with = pattern.replacement("$0$0").unwrap();
        assert_eq!(pattern.replace(&"bc".repeat(60), &with, 200), None);
    }

    #[test]
    fn classes_are_javas() {
        for (pattern, text, found) in [
            (r"\w+", "-äöa_1é", Some("a_1")),
            (r"\W", "aä", Some("ä")),
            (r"[\w-]+", "é a-b", Some("a-b")),
            (r"[^\d]+", "12ab3", Some("ab")),
            (r"\d+", "٣3", Some("3")),
            (r"\S+", "\u{a0}x y", Some("\u{a0}x")),
            (r"\Qa.b\E+", "axb a.bb", Some("a.bb")),
            (r"\Q[", "a[", Some("[")),
            (r"\\d", r"\d", Some(r"\d")),
            (r"\.\ä?", "a.", None),
        ] {
            let pattern = Pattern::new(pattern);
            assert_eq!(pattern.ok().and_then(|pattern| pattern.find(text)), found, "{text}");
        }
    }

    #[test]
    fn what_cannot_run_in_linear_time_says_so() {
        for (pattern, reason) in [
            ("(?=a)", "look-around"),
            ("(a)\\1", "backreferences"),
            ("(", "unclosed group"),
            ("\\", "incomplete escape sequence"),
            ("(a{1000}){1000}", "more than 262144 bytes"),
        ] {
            let error = Pattern::new(pattern).unwrap_err();
            assert!(error.contains(reason), "{pattern}: {error}");
        }
    }
}
