//! The client's reader of answers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| erlmcp_fuzz::protocol::answers::run(bytes));
