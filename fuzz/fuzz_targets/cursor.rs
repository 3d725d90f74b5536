//! Cursors of lists.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| erlmcp_server::fuzzing::cursor(bytes));
