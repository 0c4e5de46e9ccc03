//! From a template's text to the stack that it describes: what the stack crate adds to parsing YAML.

use std::{hint::black_box, path::Path};

use dunlin_events::limits::ROUTES_MAX;
use dunlin_stack::{Parameters, Stack};
use saphyr_parser::Parser;

use crate::{
    data::template,
    pairs::{Group, Pair, Work},
};

pub(super) fn fill(group: &mut Group) {
    // The routes of the largest API that the service takes.
    group.pair("parse/300_routes", || {
        Pair::new(parse(ROUTES_MAX), "bare YAML events", bare_events(ROUTES_MAX))
    });
}

/// Reads a template of so many routes.
fn parse(routes: usize) -> Work {
    let (text, parameters) = (template(routes), Parameters::default());
    Work::each(
        move || {
            let text = black_box(text.as_str());
            Stack::parse(Path::new("template.yaml"), text, &parameters).expect("the template is good")
        },
        move |stack| assert_eq!(stack.apis[0].routes.len(), routes),
    )
}

/// The parser's events alone, which the crate is made on.
fn bare_events(routes: usize) -> Work {
    let text = template(routes);
    let scalars_max = text.len();
    Work::each(
        move || {
            let mut events = 0;
            let mut parser = Parser::new_from_str(black_box(&text));
            while let Some(event) = parser.next_event() {
                black_box(event.expect("the template is YAML"));
                events += 1;
            }
            events
        },
        // A route has seven keys with their values.
        move |events| assert!((14 * routes..scalars_max).contains(events), "{events} events"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairs::doubles;

    #[test]
    fn twice_the_routes_cost_twice_as_much() {
        doubles("parse", |times| parse(times as usize * ROUTES_MAX / 2));
        doubles("bare events", |times| bare_events(times as usize * ROUTES_MAX / 2));
    }
}
