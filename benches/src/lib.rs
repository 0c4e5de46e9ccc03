//! How fast the parts are, each beside a bare reference that is measured in turns with it: the shortest code that gets the
//! same result. What counts is their ratio; `promises.toml` says what is promised of it.
//!
//! [`pairs`] measures, [`groups`] is what is measured, with ids `group/what/size`. `cargo xtask bench` runs it and writes the
//! report; by hand it is `cargo bench -p dunlin-benches --bench pairs -- handler`. The same work stands in criterion's harness,
//! for whoever wants its estimates and saved baselines of one machine: `--bench criterion`.
//!
//! ```
//! assert_eq!(dunlin_benches::data::connection_ids(1_000).len(), 1_000);
//! ```

pub mod groups;
pub mod null_management;
pub mod pairs;
mod place;
mod recorded;
mod server;

pub use dunlin_bench_data as data;
