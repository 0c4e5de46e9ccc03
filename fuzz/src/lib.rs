//! What reads bytes from outside, as functions of bytes that must hold for any: [`TARGETS`]. None may panic, and each asserts
//! more: that printing and parsing again is the same, that results are bounded, that another implementation agrees.
//!
//! Three things run them: `tests/bounded.rs`, on the corpus and on seeded mutations of it, for some seconds, with every
//! `cargo xtask test`; the program `dunlin-fuzz`, for as long as it is told; and cargo-fuzz, which sees what code an input
//! reaches, by the wrappers in `cargo-fuzz/`. The README beside this says how.
//!
//! It looks at the other crates from outside. What is private in the gateway is in its hidden module `fuzzing`.
//!
//! ```
//! let target = dunlin_fuzz::target("frames").ok_or("no such target")?;
//! (target.run)(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod corpus;
pub mod mutate;
pub mod run;
pub mod targets;

/// A function of bytes, and what helps to make bytes for it.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Of its folder in the corpus too.
    pub name: &'static str,
    /// Panics if something does not hold.
    pub run: fn(&[u8]),
    /// What its inputs are made of.
    pub words: &'static [&'static [u8]],
    /// Inputs longer than this show nothing new.
    pub input_bytes_max: usize,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    targets::events::TARGET,
    targets::frames::TARGET,
    targets::handler::TARGET,
    targets::head::TARGET,
    targets::json_path::TARGET,
    targets::management_path::TARGET,
    targets::model::TARGET,
    targets::rule_sql::TARGET,
    targets::selection::TARGET,
    targets::signature::TARGET,
    targets::template::TARGET,
    targets::velocity::TARGET,
];

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().copied().find(|target| target.name == name)
}
