//! Every target on its corpus, and on seeded mutations of it: for some seconds, the same inputs each time.

#![allow(clippy::panic, reason = "helpers of tests stand outside of test functions")]

use dunlin_fuzz::{Target, corpus, mutate::Mutator, run, target};

/// A round number, changed when nothing new is found.
const SEED: u64 = 1_000;

#[track_caller]
fn check(name: &str, mutations: usize) {
    let target: Target = target(name).expect("the target is in the list");
    let seeds = corpus::seeds(&target).expect("the corpus can be read");
    assert!(!seeds.is_empty(), "{name} has no seeds");
    let mut mutator = Mutator::new(target, seeds.clone(), SEED);
    let mutations = std::iter::repeat_with(move || mutator.next_input()).take(mutations);
    if let Err(failure) = run::run(target, seeds.into_iter().chain(mutations)) {
        panic!("{failure}");
    }
}

macro_rules! targets {
    ($($name:ident $mutations:literal)*) => {
        $(#[test]
        fn $name() {
            check(stringify!($name), $mutations);
        })*

        #[test]
        fn all_are_here() {
            let names: Vec<&str> = dunlin_fuzz::TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
            let manifest = include_str!("../cargo-fuzz/Cargo.toml");
            for name in names {
                assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name} has no wrapper");
            }
        }
    };
}

// How many mutations: each takes some two seconds of one processor without optimisation.
targets! {
    events 20_000
    frames 2_000
    handler 20_000
    head 4_000
    json_path 40_000
    management_path 40_000
    model 8_000
    rule_sql 20_000
    selection 40_000
    signature 10_000
    template 8_000
    velocity 20_000
}
