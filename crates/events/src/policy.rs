//! The policy of an authorizer: written so that it covers the handshake, and read as the gateway reads it.

use serde::{Deserialize, Serialize};

/// The action that an authorizer's policy is about.
const INVOKE: &str = "execute-api:Invoke";

/// The version of the policy language.
const VERSION: &str = "2012-10-17";

/// An IAM policy, as far as an authorizer uses one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyDocument {
    /// `2012-10-17`.
    pub version: String,
    /// In any order; a deny wins.
    pub statement: Vec<Statement>,
}

/// One statement of a policy.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    /// `execute-api:Invoke`.
    pub action: OneOrMany,
    /// What the statement does to what it covers.
    pub effect: Effect,
    /// ARNs with `*` and `?` (A4).
    pub resource: OneOrMany,
}

/// What a statement does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Effect {
    /// It lets in.
    Allow,
    /// It keeps out, whatever else lets in.
    Deny,
}

/// IAM writes a list of one without brackets.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// A bare string.
    One(String),
    /// A list.
    Many(Vec<String>),
}

impl PolicyDocument {
    /// One statement about one ARN. Give it the event's own `methodArn`: a pattern such as `{api}/{stage}/*/*` does not
    /// cover `{api}/{stage}/$connect`, and refuses everyone (A4).
    pub fn about(effect: Effect, method_arn: impl Into<String>) -> Self {
        let action = OneOrMany::One(INVOKE.to_owned());
        let statement = Statement { action, effect, resource: OneOrMany::One(method_arn.into()) };
        PolicyDocument { version: VERSION.to_owned(), statement: vec![statement] }
    }

    /// Whether the policy lets a caller invoke this ARN: a statement allows it and none denies it.
    pub fn allows(&self, method_arn: &str) -> bool {
        let covers = |statement: &&Statement| {
            // Actions have no case in IAM, ARNs have.
            let action =
                |action: &str| matches_pattern(&action.to_ascii_lowercase(), &INVOKE.to_ascii_lowercase());
            statement.action.iter().any(action)
                && statement.resource.iter().any(|pattern| matches_pattern(pattern, method_arn))
        };
        let mut effects = self.statement.iter().filter(covers).map(|statement| statement.effect).peekable();
        effects.peek().is_some() && effects.all(|effect| effect == Effect::Allow)
    }
}

impl OneOrMany {
    /// The texts, however they are written.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        match self {
            OneOrMany::One(text) => std::slice::from_ref(text),
            OneOrMany::Many(texts) => texts,
        }
        .iter()
        .map(String::as_str)
    }
}

/// Whether `*` (any run of characters, `/` included) and `?` (one character) of the pattern make it the text. It steps back
/// to the last `*` only, so the time is at most the product of the two lengths.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((behind_star, taken)) = star else { return false };
                star = Some((behind_star, taken + 1));
                (p, t) = (behind_star, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/$connect";

    fn statement(action: &str, effect: Effect, resource: &str) -> Statement {
        let one = |text: &str| OneOrMany::One(text.to_owned());
        Statement { action: one(action), effect, resource: one(resource) }
    }

    #[track_caller]
    fn check(statements: &[(&str, Effect, &str)], expected: bool) {
        let statement = statements.iter().map(|(action, effect, arn)| statement(action, *effect, arn));
        let policy = PolicyDocument { version: VERSION.to_owned(), statement: statement.collect() };
        assert_eq!(policy.allows(ARN), expected, "{statements:?}");
    }

    #[test]
    fn the_handshake_is_covered_by_its_own_arn_and_by_patterns_that_reach_it() {
        assert!(PolicyDocument::about(Effect::Allow, ARN).allows(ARN));
        assert!(!PolicyDocument::about(Effect::Deny, ARN).allows(ARN));
        let base = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod";
        for (pattern, expected) in [
            (format!("{base}/*"), true),
            (format!("{base}/*/*"), false), // the usual mistake (A4)
            (format!("{base}/$connec?"), true),
            (format!("{base}/$connec??"), false),
            (format!("{base}/$connect "), false),
            (format!("{base}/$CONNECT"), false),
            ("arn:aws:execute-api:*".to_owned(), true),
            ("*".to_owned(), true),
            ("**".to_owned(), true),
            (String::new(), false),
        ] {
            check(&[(INVOKE, Effect::Allow, &pattern)], expected);
        }
    }

    #[test]
    fn a_deny_wins_and_nothing_is_no() {
        use Effect::{Allow, Deny};
        check(&[], false);
        check(&[(INVOKE, Allow, "*"), (INVOKE, Deny, ARN)], false);
        check(&[(INVOKE, Deny, "*"), (INVOKE, Allow, ARN)], false);
        check(&[(INVOKE, Deny, "other"), (INVOKE, Allow, ARN)], true);
        check(&[("EXECUTE-API:*", Allow, ARN)], true);
        check(&[("execute-api:ManageConnections", Allow, ARN)], false);
    }

    #[test]
    fn a_pattern_of_stars_ends_in_time() {
        assert!(!matches_pattern(&"*a".repeat(2_000), &"a".repeat(1_999)));
    }
}
