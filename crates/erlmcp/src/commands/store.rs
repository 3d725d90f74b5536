//! `store`: the store of a cluster, started by its supervisor.

use std::process::ExitCode;

use erlmcp_server::cluster::{StoreEnd, run_store};

use crate::exit::{ERROR, code};

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(match runtime.block_on(run_store())? {
        StoreEnd::Stopped => ExitCode::SUCCESS,
        StoreEnd::NotStarted | StoreEnd::Orphaned | StoreEnd::Broken => code(ERROR),
    })
}
