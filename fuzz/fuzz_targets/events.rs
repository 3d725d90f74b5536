//! The client's decoder of event streams.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| erlmcp_fuzz::protocol::events::run(bytes));
