//! What is measured, a module for each group.

mod recorded;
mod server;

use crate::pairs::Group;

/// Lists the groups in the order of the report, and has a test for each.
macro_rules! groups {
    ($($name:ident),* $(,)?) => {
        $(mod $name;)*

        /// Every group.
        pub fn all() -> Vec<Group> {
            vec![$(filled(stringify!($name), $name::fill)),*]
        }

        #[cfg(test)]
        mod tests {
            use super::*;

            $(
                /// Each side does its work, and twice the iterations cost twice as much.
                #[test]
                fn $name() {
                    filled(stringify!($name), super::$name::fill).check();
                }
            )*
        }
    };
}

groups![
    events,
    handler,
    connection_store,
    connection_store_dynamodb,
    fanout,
    management_aws,
    stack,
    iot_rules,
];

fn filled(name: &'static str, fill: fn(&mut Group)) -> Group {
    let mut group = Group::new(name);
    fill(&mut group);
    group
}
