//! The same benchmarks in criterion's harness, for its estimates and saved baselines:
//! `cargo bench -p dunlin-benches --bench criterion -- handler`. Its figures are of one machine and one moment; what holds
//! between two is measured by `--bench pairs`.

use criterion::Criterion;
use dunlin_benches::{groups, pairs};

fn main() {
    // `cargo test` starts benchmarks without it. The tests of the library do this work, and check it.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    for entry in groups::all().into_iter().flat_map(pairs::Group::into_entries) {
        if entry.is_heavy() {
            continue;
        }
        let Some((id, pair)) = entry.into_pair() else { continue };
        let (mut subject, mut reference) = pair.into_sides();
        for (side, work) in [("subject", &mut subject), ("reference", &mut reference)] {
            criterion.bench_function(&format!("{id}/{side}"), |bencher| {
                bencher.iter_custom(|iterations| work.run(iterations));
            });
        }
    }
    criterion.final_summary();
}
