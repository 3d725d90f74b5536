//! MCP over HTTP/1.1 without IO: what both the server and the load engine speak.

#![forbid(unsafe_code)]

pub mod client;
pub mod code;
pub mod era;
pub mod header;
pub mod http;
pub mod json;
pub mod operation;
pub mod server;
pub mod sse;

/// False in the build that bench/entry.sh measures against: what only refuses is left out of it.
pub(crate) const VALIDATES: bool = !cfg!(feature = "unvalidated");
