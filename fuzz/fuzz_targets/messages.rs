//! JSON-RPC messages beside serde_json.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| erlmcp_fuzz::protocol::messages::run(bytes));
