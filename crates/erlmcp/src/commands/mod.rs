//! One file a subcommand: arguments in, exit code out.

pub(crate) mod agent;
pub(crate) mod audit;
pub(crate) mod capacity;
pub(crate) mod chaos;
pub(crate) mod cluster;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod comprehensive;
pub(crate) mod config;
pub(crate) mod conformance;
mod diagnosis;
pub(crate) mod discover;
pub(crate) mod doctor;
mod finished_run;
mod listen;
mod opening;
mod reaching;
pub(crate) mod record;
pub(crate) mod replica;
pub(crate) mod report;
pub(crate) mod serve;
mod status;
pub(crate) mod store;
pub(crate) mod stress;
mod survey;
pub(crate) mod watch;
pub(crate) mod watchdog;
