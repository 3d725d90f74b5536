//! One file a subcommand: arguments in, exit code out.

pub(crate) mod agent;
pub(crate) mod audit;
pub(crate) mod autoscale;
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
pub(crate) mod entry;
mod finished_run;
pub(crate) mod health;
mod joining;
mod listen;
pub(crate) mod observe;
mod opening;
mod reaching;
pub(crate) mod record;
pub(crate) mod reference;
pub(crate) mod replica;
pub(crate) mod report;
pub(crate) mod serve;
mod status;
pub(crate) mod store;
pub(crate) mod stress;
mod survey;
mod telemetry;
pub(crate) mod watch;
pub(crate) mod watchdog;

use std::process::ExitCode;

use erlmcp_orchestrator::StressError;
use erlmcp_record::plain;

use crate::exit::{USAGE, code};

/// Says why what was typed, or a file that it names, cannot be run; how the process ends.
fn refused(error: &anyhow::Error) -> ExitCode {
    eprintln!("erlmcp: {error:#}");
    code(USAGE)
}

/// Says why nothing came of it, which may be a target's own words; how the process ends.
fn failed(error: &StressError) -> ExitCode {
    eprintln!("erlmcp: {}", plain(&error.to_string()));
    code(error.exit_code())
}
