//! The tools that every server has: one for each way a tool can run.

pub(crate) mod append;
pub(crate) mod echo;
pub(crate) mod work;
