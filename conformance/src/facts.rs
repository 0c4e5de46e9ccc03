//! The facts, as `docs/service-facts.md` lists them.

use std::sync::LazyLock;

const DOCUMENT: &str = include_str!("../../docs/service-facts.md");

/// The last section whose facts a client, a function or an operator of a gateway can see; those behind it are Lambda's.
const SECTION_LAST: u32 = 10;

/// One line of the document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fact {
    /// Such as `H10`, or the heading `4.1` of a table without numbers.
    pub number: &'static str,
    /// What the service does.
    pub text: &'static str,
    /// How that is known, and where it was read.
    pub source: &'static str,
    /// The heading above it.
    pub section: &'static str,
}

/// The tables of facts without numbers, each by its heading, with how it is known.
const TABLES: [(&str, &str); 3] = [
    ("4.1", "O: dumps of 2019 to 2025"),
    ("4.2", "O: dumps of 2019 to 2025; meanings D: DG apigateway-websocket-api-mapping-template-reference"),
    ("7.1", "D: quotas"),
];

/// Facts that no case can see, each with the reason.
pub const UNSEEN: &[(&str, &str)] = &[
    ("H22", "that there is no limit cannot be seen; the rate of new connections is the account's"),
    ("G10", "how a template names a function: a template that deploys has shown it"),
    ("E4", "what published types say; no gateway is involved"),
    ("X6", "when the service maintains its machines is its own affair"),
    ("C9", "what 200 does not promise; a case can only see a promise"),
    ("C10", "that there is no order; any order is right"),
    ("T7", "that there is no order; any order is right"),
    ("A8", "what browsers cannot do"),
    ("Q7", "what is billed is on the bill"),
    ("L4", "where execution logs go is the operator's choice; no address leads there"),
];

/// Every fact of the sections that gateways are checked for, in order.
pub fn all() -> &'static [Fact] {
    static FACTS: LazyLock<Vec<Fact>> = LazyLock::new(|| parse(DOCUMENT));
    &FACTS
}

/// The fact of a number.
pub fn fact(number: &str) -> Option<&'static Fact> {
    all().iter().find(|fact| fact.number == number)
}

fn parse(document: &'static str) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut section = "";
    for line in document.lines() {
        if let Some(heading) = line.strip_prefix("## ").or_else(|| line.strip_prefix("### ")) {
            let number = heading.split(' ').next().unwrap_or_default();
            let major = number.split('.').next().and_then(|major| major.parse::<u32>().ok());
            section = if major.is_some_and(|major| major <= SECTION_LAST) { heading } else { "" };
            if let Some((number, source)) = TABLES.iter().find(|(known, _)| *known == number) {
                facts.push(Fact { number, text: heading, source, section });
            }
            continue;
        }
        let mut cells = line.trim_matches('|').split(" | ").map(str::trim);
        let (Some(number), Some(text), Some(source)) = (cells.next(), cells.next(), cells.next()) else {
            continue;
        };
        let is_number = number.len() >= 2
            && number.starts_with(|first: char| first.is_ascii_uppercase())
            && number[1..].starts_with(|digit: char| digit.is_ascii_digit())
            && number.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !section.is_empty() && is_number {
            facts.push(Fact { number, text, source, section });
        }
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_is_read() {
        let numbers: Vec<_> = all().iter().map(|fact| fact.number).collect();
        for number in ["H1", "H24", "R10a", "T8", "4.1", "4.2", "7.1", "Q7", "A10", "L4"] {
            assert!(numbers.contains(&number), "{number}: {numbers:?}");
        }
        assert!(!numbers.contains(&"P1") && !numbers.contains(&"S1") && !numbers.contains(&"U1"));
        assert_eq!(fact("H3").unwrap().text, "The URL with its query has at most 4,096 characters.");
        assert_eq!(fact("H3").unwrap().source, "D: quotas");
    }
}
