//! The server's reader of heads beside httparse's.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| erlmcp_fuzz::protocol::heads::run(bytes));
