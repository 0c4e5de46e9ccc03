//! What is measured: each module here is a group, and nothing else is.

use std::process::ExitCode;

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
    lambda_host,
    gateway,
    stack,
    iot_rules,
];

/// The first parts of the ids that `cargo xtask bench` measures by itself, and of what nobody measures yet.
#[cfg(test)]
const MEASURED_ELSEWHERE: [&str; 3] = ["local", "swarm", "capacity"];

/// `cargo xtask bench` knows the groups by their files, before it has built anything.
#[cfg(test)]
#[test]
fn every_module_is_a_group() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/groups");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut modules: Vec<String> =
        files.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    modules.retain(|module| module != "mod");
    modules.sort();
    let ids = all().into_iter().flat_map(Group::into_entries).map(|entry| entry.id);
    let mut groups: Vec<String> = ids.map(|id| id.split('/').next().unwrap().to_owned()).collect();
    groups.sort();
    groups.dedup();
    assert_eq!(modules, groups);
}

#[cfg(test)]
#[test]
fn what_is_promised_is_measured() {
    #[derive(serde::Deserialize)]
    struct Promises {
        promise: Vec<Promise>,
    }
    #[derive(serde::Deserialize)]
    struct Promise {
        id: String,
        not_measured: Option<String>,
    }
    let promises: Promises = toml::from_str(include_str!("../../promises.toml")).unwrap();
    let ids: Vec<String> = all().into_iter().flat_map(Group::into_entries).map(|entry| entry.id).collect();
    for promise in promises.promise.iter().filter(|promise| promise.not_measured.is_none()) {
        let elsewhere = promise.id.split('/').next().is_some_and(|group| MEASURED_ELSEWHERE.contains(&group));
        assert!(elsewhere || ids.contains(&promise.id), "nothing measures {}", promise.id);
    }
    let mut once = ids.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), ids.len(), "an id is used twice: {ids:?}");
}

/// Some benchmarks need a process of their own, which is this program again: does its work, if this is one.
pub fn help_if_asked() -> Option<ExitCode> {
    gateway::serve_if_asked()
}

fn filled(name: &'static str, fill: fn(&mut Group)) -> Group {
    let mut group = Group::new(name);
    fill(&mut group);
    group
}
