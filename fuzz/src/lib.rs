//! Bodies of the fuzz targets. The smokes of `cargo test` use the same files.

#![forbid(unsafe_code)]

pub mod protocol;
pub mod records;
pub mod served;
