//! Whole connections, as the server and as hyper read them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| erlmcp_fuzz::served::run(bytes));
