//! `stress`: from arguments to a run, its events to the terminal.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use erlmcp_orchestrator::{FaultList, StressConfig, Workload};

use super::{failed, refused};
use crate::args::{Sessions, ShowArgs, StressArgs};
use crate::console::Console;
use crate::exit::{INCONCLUSIVE, USAGE, code};
use crate::screen;

pub(crate) fn run(args: StressArgs) -> anyhow::Result<ExitCode> {
    let show = args.load.show;
    run_to_end(config(args), show)
}

/// A run of what was asked for, or why that cannot be.
pub(super) fn run_to_end(config: anyhow::Result<StressConfig>, show: ShowArgs) -> anyhow::Result<ExitCode> {
    let has_terminal = || std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let config = match config {
        Ok(_) if show.tui && !has_terminal() => {
            eprintln!("erlmcp: --tui takes the whole terminal, and there is none: leave it out");
            return Ok(code(USAGE));
        }
        Ok(config) => config,
        Err(error) => return Ok(refused(&error)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (events, mut received) = tokio::sync::mpsc::channel(64);
    // On a thread of its own: a terminal that stands still (Ctrl-S) holds up the lines, not the run.
    let printer = std::thread::spawn(move || {
        if show.tui {
            return screen::show_run(received);
        }
        let mut console = Console::new(show);
        while let Some(event) = received.blocking_recv() {
            console.show(&event);
        }
        Ok(())
    });
    let outcome = runtime.block_on(async {
        let cancel = crate::interrupt::watch()?;
        anyhow::Ok(erlmcp_orchestrator::stress(config, events, cancel).await)
    });
    match printer.join() {
        Err(_) => anyhow::bail!("the console has ended with an internal error"),
        Ok(Err(error)) => eprintln!("erlmcp: the live view could not be shown: {error}"),
        Ok(Ok(())) => {}
    }
    match outcome? {
        Ok(outcome) if outcome.exit_code == INCONCLUSIVE && show.inconclusive_ok => Ok(ExitCode::SUCCESS),
        Ok(outcome) => Ok(code(outcome.exit_code)),
        Err(error) => Ok(failed(&error)),
    }
}

pub(super) fn config(args: StressArgs) -> anyhow::Result<StressConfig> {
    let workload = args.workload.as_deref().map(Workload::load).transpose().map_err(anyhow::Error::msg)?;
    let config = StressConfig {
        connections: args.connections.or(args.connections_word),
        duration: args.duration.or(args.minutes_word),
        rate: args.rate,
        era: args.era.into(),
        own_sessions: args.sessions == Sessions::PerConnection,
        phases: args.phases,
        warmup: args.warmup,
        target_pid: args.target_pid,
        no_faults: args.no_faults,
        faults: args.faults.as_deref().map(faults).transpose()?,
        no_abort: args.no_abort,
        ..args.streams.config(args.proof.config(args.load.config(args.url)?)?)
    };
    Ok(match workload {
        Some(workload) => config.with_workload(workload),
        None => config,
    })
}

/// The list or the timetable of a file.
pub(super) fn faults(path: &Path) -> anyhow::Result<FaultList> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read {}: docs/faults.md says what is in such a file", path.display()))?;
    FaultList::parse(&text).map_err(|why| anyhow::anyhow!("{}: {why}", path.display()))
}
