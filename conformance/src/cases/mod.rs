//! The cases, one module per section of the facts.

mod authorization;
mod deflate;
mod disconnect;
mod domains;
mod events;
mod handshake;
mod headers;
mod integrations;
mod keep_alive;
mod logs;
mod management;
mod metrics;
mod models;
mod responses;
mod routing;
mod throttles;
mod tls;
mod wire_rules;

use std::sync::LazyLock;

use crate::{Case, facts};

/// Every case, in the order of the facts.
pub fn all() -> impl Iterator<Item = &'static Case> {
    static CASES: LazyLock<Vec<&'static Case>> = LazyLock::new(in_order);
    CASES.iter().copied()
}

fn in_order() -> Vec<&'static Case> {
    let sections: [&'static [Case]; 16] = [
        handshake::CASES,
        domains::CASES,
        headers::CASES,
        routing::CASES,
        wire_rules::CASES,
        integrations::CASES,
        responses::CASES,
        events::CASES,
        disconnect::CASES,
        management::CASES,
        throttles::CASES,
        keep_alive::CASES,
        authorization::CASES,
        models::CASES,
        logs::CASES,
        metrics::CASES,
    ];
    let mut cases: Vec<_> = sections.into_iter().flatten().collect();
    cases.sort_by_key(|case| facts::all().iter().position(|fact| fact.number == case.fact()));
    cases
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_fact_has_a_case_or_a_reason_for_none() {
        let seen: HashSet<_> = all().map(Case::fact).collect();
        for fact in facts::all() {
            let unseen = facts::UNSEEN.iter().any(|(number, _)| *number == fact.number);
            assert!(
                seen.contains(fact.number) != unseen,
                "{}: either a case or a reason for none is expected",
                fact.number
            );
        }
    }

    #[test]
    fn every_case_has_a_fact_and_an_id_of_its_own() {
        let mut ids = HashSet::new();
        for case in all() {
            assert!(facts::fact(case.fact()).is_some(), "{}", case.id);
            assert!(ids.insert(case.id), "{} is there twice", case.id);
            assert!(!case.says.ends_with('.') && !case.says.is_empty(), "{}", case.id);
        }
    }
}
