//! `replica`: one replica of a cluster, started by its supervisor.

use std::process::ExitCode;

use erlmcp_server::cluster::{ReplicaEnd, run_replica};

use crate::args::ReplicaArgs;
use crate::exit::{ERROR, code};
use crate::fixtures::{info, registry};
use crate::turns::take_long_turns;

pub(crate) fn run(args: &ReplicaArgs) -> anyhow::Result<ExitCode> {
    tracing::debug!(replica = args.replica, "started");
    take_long_turns();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut info = info();
    if let Some(version) = &args.as_version {
        info.version.clone_from(version);
    }
    Ok(match runtime.block_on(run_replica(info, registry(args.fixtures)?))? {
        ReplicaEnd::Drained => ExitCode::SUCCESS,
        ReplicaEnd::NotStarted | ReplicaEnd::Orphaned => code(ERROR),
    })
}
