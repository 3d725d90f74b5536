//! Chunked bodies in any pieces.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| erlmcp_fuzz::protocol::chunks::run(bytes));
