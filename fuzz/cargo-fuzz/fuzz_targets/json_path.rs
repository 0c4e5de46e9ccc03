#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (dunlin_fuzz::targets::json_path::TARGET.run)(bytes));
