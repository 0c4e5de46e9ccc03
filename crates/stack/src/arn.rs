//! Names that the service would make up: here they follow from the template, so that they are the same tomorrow.

use std::collections::BTreeMap;

use crate::Parameters;

/// `AWS::AccountId` unless the caller says otherwise: the account of AWS's own examples.
pub const ACCOUNT_ID: &str = "123456789012";

/// `AWS::Region` unless the caller says otherwise.
pub const REGION_DEFAULT: &str = "us-east-1";

/// `AWS::StackName` unless the caller says otherwise.
pub const STACK_NAME_DEFAULT: &str = "dunlin";

/// `AWS::Partition`.
pub const PARTITION: &str = "aws";

/// `AWS::URLSuffix`.
pub const URL_SUFFIX: &str = "amazonaws.com";

/// Length of an API id.
const API_ID_CHARS: usize = 10;

/// The id of the API with this logical id: ten lowercase letters and digits, the first a letter.
#[must_use]
pub fn api_id(logical_id: &str) -> String {
    const LETTERS: u64 = 26;
    let mut rest = fnv1a(logical_id.as_bytes());
    let mut id = String::with_capacity(API_ID_CHARS);
    for place in 0..API_ID_CHARS {
        let base = if place == 0 { LETTERS } else { LETTERS + 10 };
        let digit = (rest % base) as u8;
        rest /= base;
        id.push(char::from(if digit < 26 { b'a' + digit } else { b'0' + (digit - 26) }));
    }
    id
}

/// How a stage variable stands in an address.
pub(crate) const STAGE_VARIABLE: &str = "${stageVariables.";

/// The text with stage variables in place of `${stageVariables.name}`; the error is the name of one that is not there.
pub(crate) fn expand(text: &str, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(STAGE_VARIABLE) {
        let (name, after) = after.split_once('}').ok_or_else(|| after.to_owned())?;
        expanded.push_str(before);
        expanded.push_str(variables.get(name).ok_or_else(|| name.to_owned())?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// The name in a function's name, ARN or partial ARN, each perhaps with a qualifier, which is left out.
pub(crate) fn function_name(text: &str) -> &str {
    let rest = text.split_once("function:").map_or(text, |(_, rest)| rest);
    rest.split(':').next().unwrap_or_default()
}

/// `AWS::StackId` of the stack with this name.
pub(crate) fn stack_id(Parameters { region, account_id, .. }: &Parameters, stack_name: &str) -> String {
    let id = fnv1a(stack_name.as_bytes());
    format!("arn:{PARTITION}:cloudformation:{region}:{account_id}:stack/{stack_name}/{id:016x}")
}

/// The name of something that the template does not name: stack and logical id, cut with a hash if that is too long.
pub(crate) fn made_up(stack_name: &str, logical_id: &str, chars_max: usize) -> String {
    let name = format!("{stack_name}-{logical_id}");
    if name.len() <= chars_max {
        return name;
    }
    let hash = format!("{:016x}", fnv1a(name.as_bytes()));
    let kept: String = name.chars().take(chars_max - hash.len() - 1).collect();
    format!("{kept}-{hash}")
}

/// Whether `text` fits `pattern`, in which `*` stands for any run of characters and `?` for one.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at_pattern, mut at_text) = (0, 0);
    // The last `*` and the text it has been tried on: one backtrack point suffices, so the time is bounded by the product.
    let mut star: Option<(usize, usize)> = None;
    while at_text < text.len() {
        match pattern.get(at_pattern) {
            Some(b'*') => {
                star = Some((at_pattern, at_text));
                at_pattern += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[at_text] => {
                at_pattern += 1;
                at_text += 1;
            }
            _ => match star {
                Some((star_pattern, star_text)) => {
                    star = Some((star_pattern, star_text + 1));
                    at_pattern = star_pattern + 1;
                    at_text = star_text + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at_pattern..].iter().all(|&byte| byte == b'*')
}

/// FNV-1a, 64 bits: stable across versions and machines, which the standard hasher does not promise.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_ids_are_stable_and_shaped_like_the_services() {
        for logical_id in ["Api", "Chat", "A", &"x".repeat(255)] {
            let id = api_id(logical_id);
            assert_eq!(id, api_id(logical_id));
            assert_eq!(id.len(), 10);
            assert!(id.starts_with(|c: char| c.is_ascii_lowercase()), "{id}");
            assert!(id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()), "{id}");
        }
        assert_ne!(api_id("Api"), api_id("Api2"));
    }

    #[test]
    fn wildcards() {
        for (pattern, text, expected) in [
            ("arn:x/*", "arn:x/dev/$connect", true),
            ("arn:x/*/$connect", "arn:x/dev/$connect", true),
            ("arn:x/*/*", "arn:x/dev/$connect", true),
            ("arn:x/dev/$default", "arn:x/dev/$connect", false),
            ("arn:x/?ev/*", "arn:x/dev/a", true),
            ("arn:x/?ev", "arn:x/ev", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a", "", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("**", "abc", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
