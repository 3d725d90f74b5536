//! One file a subcommand: arguments in, exit code out.

pub(crate) mod agent;
pub(crate) mod cluster;
pub(crate) mod serve;
pub(crate) mod stress;
