use std::borrow::Cow;

/// How a stage variable stands in an address.
const OPEN: &str = "${stageVariables.";

/// Whether a stage variable stands in it.
pub(super) fn has_stage_variable(text: &str) -> bool {
    text.contains(OPEN)
}

/// The text with stage variables in place of `${stageVariables.name}`.
///
/// # Errors
/// The name of a variable that there is none of.
pub(crate) fn expand<'t>(text: &'t str, variables: &[(String, String)]) -> Result<Cow<'t, str>, String> {
    if !text.contains(OPEN) {
        return Ok(Cow::Borrowed(text));
    }
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let (name, after) = after.split_once('}').ok_or_else(|| after.to_owned())?;
        let found = variables.iter().find(|(key, _)| key == name);
        expanded.push_str(before);
        expanded.push_str(found.map(|(_, value)| value).ok_or_else(|| name.to_owned())?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(Cow::Owned(expanded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_stand_in_addresses() {
        let variables = [("env".to_owned(), "blue".to_owned()), ("host".to_owned(), "a:1".to_owned())];
        for (text, expected) in [
            ("chat", Ok("chat")),
            ("chat-${stageVariables.env}", Ok("chat-blue")),
            ("http://${stageVariables.host}/${stageVariables.env}/x", Ok("http://a:1/blue/x")),
            ("${stageVariables.none}", Err("none")),
            ("${stageVariables.env", Err("env")),
            ("${env}", Ok("${env}")),
        ] {
            let expanded = expand(text, &variables);
            assert_eq!(expanded.as_deref().map_err(String::as_str), expected, "{text}");
        }
    }
}
