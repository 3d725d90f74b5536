//! Bodies of the fuzz targets. The smokes of `cargo test` use the same files.

pub mod protocol;
pub mod records;
pub mod served;
