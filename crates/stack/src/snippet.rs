//! The line of a source that a problem is about, with a caret below.

/// Characters of the line that are shown; the part around the caret of a longer one.
const LINE_CHARS_MAX: usize = 100;

/// Characters before the caret that are kept when a line is cut.
const CONTEXT_CHARS: usize = 40;

/// Two lines: that of `text` with number `line` (from 1), and carets below `len` characters from `column` (from 1).
/// `None` if there is no such line.
pub(crate) fn snippet(text: &str, line: u32, column: u32, len: u32) -> Option<String> {
    let index = usize::try_from(line).ok()?.checked_sub(1)?;
    // A tab or another control character takes one column, so that the caret stands below what it means.
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    let characters: Vec<char> = text.lines().nth(index)?.trim_end().chars().map(shown).collect();
    let start = (column as usize).saturating_sub(1).min(characters.len());
    let from = if characters.len() > LINE_CHARS_MAX { start.saturating_sub(CONTEXT_CHARS) } else { 0 };
    let to = characters.len().min(from + LINE_CHARS_MAX);
    let before = if from > 0 { "…" } else { "" };
    let after = if to < characters.len() { "…" } else { "" };
    let carets = (len as usize).clamp(1, to.saturating_sub(start).max(1));
    let kept: String = characters[from..to].iter().collect();
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    let indent = " ".repeat(start - from + before.chars().count());
    let underline = "^".repeat(carets);
    Some(format!(" {number} | {before}{kept}{after}\n {gutter} | {indent}{underline}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, at: (u32, u32, u32), expected: &str) {
        assert_eq!(snippet(text, at.0, at.1, at.2).unwrap(), expected);
    }

    #[test]
    fn the_caret_stands_below() {
        check("a: 1\n  b: two\n", (2, 6, 3), " 2 |   b: two\n   |      ^^^");
        check("é: ö", (1, 4, 1), " 1 | é: ö\n   |    ^");
        check("\tb", (1, 1, 1), " 1 |  b\n   | ^");
        // A length that is not known, or reaches too far, or a column behind the line.
        check("abc", (1, 3, 0), " 1 | abc\n   |   ^");
        check("abc", (1, 2, 99), " 1 | abc\n   |  ^^");
        check("abc", (1, 99, 5), " 1 | abc\n   |    ^");
        assert_eq!(snippet("abc", 2, 1, 1), None);
        assert_eq!(snippet("abc", 0, 1, 1), None);
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let text = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let shown = snippet(&text, 1, 501, 1).unwrap();
        let [line, carets] = shown.lines().collect::<Vec<_>>()[..] else { panic!("{shown}") };
        assert!(line.chars().count() < 110, "{line}");
        let at = carets.chars().position(|c| c == '^').unwrap();
        assert_eq!(line.chars().nth(at), Some('X'));
    }
}
