#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (dunlin_fuzz::targets::model::TARGET.run)(bytes));
