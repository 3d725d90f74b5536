//! A run's journals of operations.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| erlmcp_fuzz::records::operations(bytes));
