//! Ids of sessions and events.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| erlmcp_server::fuzzing::session_token(bytes));
