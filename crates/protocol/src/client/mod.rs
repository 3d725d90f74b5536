//! What a client of MCP sends and reads.

pub mod answer;
pub mod canned;
pub mod gaps;
pub mod head;
pub mod message;
pub mod notice;
pub mod param;
pub mod request;
