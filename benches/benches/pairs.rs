//! Every group: `cargo bench -p dunlin-benches --bench pairs -- --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    dunlin_benches::groups::help_if_asked()
        .unwrap_or_else(|| dunlin_benches::pairs::main(dunlin_benches::groups::all()))
}
