use super::{SqlError, error::clipped};

/// An MQTT topic filter: levels, `+` for any one level, a last `#` for any number of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicFilter(String);

impl TopicFilter {
    /// Checks a filter.
    ///
    /// # Errors
    /// If it is empty, or a wildcard does not stand alone in its level, or `#` is not last.
    pub fn parse(filter: &str) -> Result<Self, SqlError> {
        if filter.is_empty() || filter.contains('\0') {
            return Err(SqlError::general("FROM names no topic filter"));
        }
        let quoted = clipped(filter);
        let mut levels = filter.split('/').peekable();
        while let Some(level) = levels.next() {
            let alone = level.len() == 1;
            if level.contains(['+', '#']) && !alone {
                return Err(SqlError::general(format!(
                    "in {quoted:?} a wildcard shares the level {:?}; it stands alone",
                    clipped(level)
                )));
            }
            if level == "#" && levels.peek().is_some() {
                return Err(SqlError::general(format!(
                    "in {quoted:?} the # is not last; it can only end a filter"
                )));
            }
        }
        Ok(Self(filter.to_owned()))
    }

    /// Whether `topic` fits. Topics that start with `$` are the broker's own: no wildcard in the first level finds them.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        if topic.starts_with('$') && self.0.starts_with(['+', '#']) {
            return false;
        }
        let mut levels = topic.split('/');
        for wanted in self.0.split('/') {
            if wanted == "#" {
                return true; // also of the parent: `a/#` finds `a`
            }
            match levels.next() {
                Some(level) if wanted == "+" || wanted == level => {}
                _ => return false,
            }
        }
        levels.next().is_none()
    }
}

impl std::fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        for (filter, topic, expected) in [
            ("a", "a", true),
            ("a", "b", false),
            ("a", "A", false),
            ("a", "a/b", false),
            ("a/b", "a", false),
            ("a/b", "a/b", true),
            ("+", "a", true),
            ("+", "a/b", false),
            ("+", "/a", false),
            ("/+", "/a", true),
            ("+/+", "/a", true),
            ("a/+", "a", false),
            ("a/+", "a/", true),
            ("a/+/c", "a/b/c", true),
            ("a/+/c", "a//c", true),
            ("a/+/c", "a/b/d", false),
            ("a/+/c", "a/b/c/d", false),
            ("a/+/+", "a/b/c", true),
            ("devices/+/parameters", "devices/dev-1/parameters", true),
            ("devices/+/parameters", "devices/dev-1/state", false),
            ("devices/+/parameters", "devices/parameters", false),
            ("#", "a", true),
            ("#", "a/b/c", true),
            ("#", "/", true),
            ("a/#", "a", true),
            ("a/#", "a/b", true),
            ("a/#", "a/b/c", true),
            ("a/#", "ab", false),
            ("a/#", "b/a", false),
            ("+/b/#", "a/b/c/d", true),
            ("+/b/#", "a/c", false),
            ("#", "$SYS/uptime", false),
            ("+/uptime", "$SYS/uptime", false),
            ("$SYS/#", "$SYS/uptime", true),
            ("$SYS/+", "$SYS/uptime", true),
            ("a/#", "a/$b", true),
            ("+/$b", "a/$b", true),
        ] {
            let parsed = TopicFilter::parse(filter).unwrap();
            assert_eq!(parsed.matches(topic), expected, "{filter} {topic}");
        }
    }

    #[test]
    fn not_filters() {
        for (filter, message) in [
            ("", "FROM names no topic filter"),
            ("a\0", "FROM names no topic filter"),
            ("a+", "in \"a+\" a wildcard shares the level \"a+\"; it stands alone"),
            ("a/b#/c", "in \"a/b#/c\" a wildcard shares the level \"b#\"; it stands alone"),
            ("a/##", "in \"a/##\" a wildcard shares the level \"##\"; it stands alone"),
            ("a/#/c", "in \"a/#/c\" the # is not last; it can only end a filter"),
        ] {
            assert_eq!(TopicFilter::parse(filter).unwrap_err().to_string(), message);
        }
    }
}
