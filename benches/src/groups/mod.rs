//! What is measured, a module for each group.

mod stack;

use crate::pairs::Group;

/// Every group, in the order of the report.
pub fn all() -> Vec<Group> {
    let group = |name, fill: fn(&mut Group)| {
        let mut group = Group::new(name);
        fill(&mut group);
        group
    };
    vec![group("stack", stack::fill)]
}
