/// What is wrong with a JSON text, without the value that is: it may be a secret, and what is wrong is logged.
///
/// ```
/// let error = serde_json::from_str::<u16>(r#""password""#).unwrap_err();
/// assert_eq!(dunlin_events::json_problem(&error), "invalid type: string, expected u16 at line 1 column 10");
/// ```
pub fn json_problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let told = ["invalid type: ", "invalid value: "].into_iter().find_map(|start| {
        let rest = text.strip_prefix(start)?;
        let (given, expected) = rest.split_at(rest.rfind(", expected ")?);
        let kind = given.split(['"', '`']).next()?.trim_end();
        Some(format!("{start}{kind}{expected}"))
    });
    told.unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;

    #[track_caller]
    fn check<T: DeserializeOwned + std::fmt::Debug>(json: &str, expected: &str) {
        let problem = json_problem(&serde_json::from_str::<T>(json).unwrap_err());
        assert_eq!(problem, expected, "{json}");
        assert!(!problem.contains("secret"));
    }

    #[test]
    fn values_are_left_out_and_all_else_is_kept() {
        check::<u16>(r#""secret""#, "invalid type: string, expected u16 at line 1 column 8");
        check::<u16>(r#""secret, expected u8 at""#, "invalid type: string, expected u16 at line 1 column 24");
        check::<u16>(r#""\"secret\"""#, "invalid type: string, expected u16 at line 1 column 12");
        check::<u16>("70000", "invalid value: integer, expected u16 at line 1 column 5");
        check::<String>("17", "invalid type: integer, expected a string at line 1 column 2");
        check::<u16>("null", "invalid type: null, expected u16 at line 1 column 4");
        check::<u16>("{secret", "invalid type: map, expected u16 at line 1 column 0");
        check::<u16>("secret", "expected value at line 1 column 1");
    }
}
