//! What a client brings back from round to round.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| erlmcp_server::fuzzing::request_state(bytes));
