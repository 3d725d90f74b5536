//! A connection, and what a shard keeps connections in.

pub(crate) mod buffers;
pub(crate) mod slab;
pub(crate) mod wheel;
