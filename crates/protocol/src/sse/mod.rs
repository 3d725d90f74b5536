//! Server-sent events.

pub mod decode;
pub mod encode;
