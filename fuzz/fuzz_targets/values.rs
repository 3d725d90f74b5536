//! Values of Mcp-Name and Mcp-Param-*.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| erlmcp_fuzz::protocol::values::run(bytes));
