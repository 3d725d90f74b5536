//! HTTP/1.1 as far as both ends need the same of it.

pub mod chunked;
pub mod field;
