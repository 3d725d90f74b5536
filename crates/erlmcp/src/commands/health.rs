//! `health`: is a server well? 0 where it is, 1 where not: the check of the container image.

use std::process::ExitCode;

use crate::args::HealthArgs;
use crate::console;
use crate::exit::code;

pub(crate) fn run(args: &HealthArgs) -> anyhow::Result<ExitCode> {
    if args.container && !erlmcp_orchestrator::container_serves() {
        console::line(format_args!("no server runs in this container, so there is none to ask"));
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = runtime.block_on(erlmcp_orchestrator::health(&args.url, args.timeout));
    // A resolver that does not answer is not waited for.
    runtime.shutdown_background();
    match asked {
        Ok(ms) => {
            console::line(format_args!("healthy, {ms:.1} ms"));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("erlmcp: {error}; `erlmcp doctor {}` says where the way to it ends", args.url);
            Ok(code(error.exit_code()))
        }
    }
}
