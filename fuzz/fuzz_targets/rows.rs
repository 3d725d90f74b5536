//! A run's journal of rows.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| erlmcp_fuzz::records::rows(bytes));
