//! `watchdog`, which undoes a run's faults when the run cannot, and `fault-proxy`, which makes some of them.

use std::process::ExitCode;

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(erlmcp_orchestrator::keep_watch())?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn proxy() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(erlmcp_orchestrator::fault_proxy())?;
    Ok(ExitCode::SUCCESS)
}
