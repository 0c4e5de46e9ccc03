//! Text in HTML.

use std::fmt::{self, Display, Write};

/// Text that is shown as it is, in elements and in quoted attributes.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // HTML has no way to write the other control characters.
                '\n' | '\t' => f.write_char(character)?,
                control if control.is_control() => f.write_char('\u{fffd}')?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// JSON that may stand in a `script` element: nothing in it can end the element.
pub(crate) fn json(value: &serde_json::Value) -> String {
    value.to_string().replace('<', "\\u003c")
}

/// Appends a formatted piece. Writing to a `String` cannot fail.
macro_rules! push {
    ($out:expr, $($piece:tt)*) => {{
        use std::fmt::Write as _;
        let _ = write!($out, $($piece)*);
    }};
}
pub(crate) use push;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_place() {
        let hostile = "</td><script>alert('1' & \"2\")</script>\u{0}";
        assert_eq!(
            Escaped(hostile).to_string(),
            "&lt;/td&gt;&lt;script&gt;alert(&#39;1&#39; &amp; &quot;2&quot;)&lt;/script&gt;\u{fffd}"
        );
        assert!(!json(&serde_json::json!({ "</script>": "<!--" })).contains('<'));
    }
}
