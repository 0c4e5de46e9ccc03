//! The SQL of rules against the service's documentation: tables of statements, each row with the page that it is from.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod bounds;
mod case;
mod documented;
mod expressions;
mod functions;
mod fuzz;
mod refused;
mod statements;
mod templates;
mod versions;

/// The issue of completeness is a number too: rows that state what the service does.
#[test]
fn the_tables_are_large() {
    let rows = documented::CASES.len()
        + statements::CASES.len()
        + refused::ROWS.len()
        + versions::ROWS.len()
        + expressions::GROUPS.iter().chain(functions::GROUPS).map(|group| group.rows.len()).sum::<usize>();
    assert!(rows >= 400, "{rows}");
}
