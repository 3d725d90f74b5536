//! `watchdog`: undoes a run's faults when the run cannot.

use std::process::ExitCode;

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(erlmcp_orchestrator::keep_watch())?;
    Ok(ExitCode::SUCCESS)
}
