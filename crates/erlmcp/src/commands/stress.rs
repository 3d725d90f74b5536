//! `stress`: from arguments to a run, its events to the terminal.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use erlmcp_orchestrator::{FaultList, StressConfig, ToolCall, Workload};

use crate::args::{Sessions, StressArgs};
use crate::console::Console;
use crate::exit::{USAGE, code};

pub(crate) fn run(args: StressArgs) -> anyhow::Result<ExitCode> {
    run_to_end(config(args))
}

/// A run of what was asked for, or why that cannot be.
pub(super) fn run_to_end(config: anyhow::Result<StressConfig>) -> anyhow::Result<ExitCode> {
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            eprintln!("erlmcp: {error:#}");
            return Ok(code(USAGE));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (events, mut received) = tokio::sync::mpsc::channel(64);
    // On a thread of its own: a terminal that stands still (Ctrl-S) holds up the lines, not the run.
    let printer = std::thread::spawn(move || {
        let mut console = Console::new();
        while let Some(event) = received.blocking_recv() {
            console.show(&event);
        }
    });
    let outcome = runtime.block_on(async {
        let cancel = crate::interrupt::watch()?;
        anyhow::Ok(erlmcp_orchestrator::stress(config, events, cancel).await)
    })?;
    if printer.join().is_err() {
        anyhow::bail!("the console has ended with an internal error");
    }
    match outcome {
        Ok(outcome) => Ok(code(outcome.exit_code)),
        Err(error) => {
            eprintln!("erlmcp: {error}");
            Ok(code(error.exit_code()))
        }
    }
}

pub(super) fn config(args: StressArgs) -> anyhow::Result<StressConfig> {
    let thresholds = thresholds(args.thresholds_file.as_deref(), &args.thresholds)?;
    let workload = args.workload.as_deref().map(Workload::load).transpose().map_err(anyhow::Error::msg)?;
    let config = StressConfig {
        target: args.url,
        connections: args.connections.or(args.connections_word),
        duration: args.duration.or(args.minutes_word),
        rate: args.rate,
        ramp_rate: args.ramp_rate,
        replicas: args.replicas,
        agents: args.agents,
        era: args.era.into(),
        own_sessions: args.sessions == Sessions::PerConnection,
        tool: args.tool.map(|name| ToolCall { name, arguments: args.args.unwrap_or_default() }),
        workload: None,
        operations: args.operations,
        streams: args.streams.unwrap_or_default(),
        change_tool: args.change_tool.map(|name| ToolCall { name, arguments: args.change_args.unwrap_or_default() }),
        headers: args.reaching.headers()?,
        ca_pem: args.reaching.ca_pem()?,
        insecure: args.reaching.insecure,
        timeout: args.timeout,
        seed: args.seed,
        phases: args.phases,
        warmup: args.warmup,
        target_pid: args.target_pid,
        output: args.output,
        allow_hosts: args.allow_host,
        thresholds,
        no_faults: args.no_faults,
        faults: args.faults.as_deref().map(faults).transpose()?,
        chaos: false,
        suite: None,
        capacity: None,
        no_abort: args.no_abort,
        require_all: args.require_all,
        command_line: args.reaching.without_secrets(std::env::args()),
    };
    Ok(match workload {
        Some(workload) => config.with_workload(workload),
        None => config,
    })
}

/// The list or the timetable of a file.
pub(super) fn faults(path: &Path) -> anyhow::Result<FaultList> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    FaultList::parse(&text).map_err(|why| anyhow::anyhow!("{}: {why}", path.display()))
}

/// The limits of the file, then those of the flags over them.
pub(super) fn thresholds(file: Option<&Path>, flags: &[String]) -> anyhow::Result<BTreeMap<String, f64>> {
    let mut limits = BTreeMap::new();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let table: toml::Table = text.parse().with_context(|| format!("{} is not TOML", path.display()))?;
        flatten("", &table, &mut limits).with_context(|| format!("in {}", path.display()))?;
    }
    for flag in flags {
        let wrong = || format!("{flag:?} is not a threshold: write it as sla.p95_ms=50");
        let (name, value) = flag.split_once('=').with_context(wrong)?;
        limits.insert(name.trim().to_string(), value.trim().parse().with_context(wrong)?);
    }
    let known = erlmcp_report::thresholds();
    for name in limits.keys() {
        if !known.iter().any(|threshold| threshold.id == name) {
            let names: Vec<&str> = known.iter().map(|threshold| threshold.id).collect();
            anyhow::bail!("there is no threshold {name:?}; the names are {}", names.join(", "));
        }
    }
    Ok(limits)
}

/// `"sla.p95_ms" = 50` and `[sla] p95_ms = 50` mean the same.
fn flatten(prefix: &str, table: &toml::Table, limits: &mut BTreeMap<String, f64>) -> anyhow::Result<()> {
    for (key, value) in table {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            toml::Value::Table(inner) => flatten(&name, inner, limits)?,
            toml::Value::Integer(number) => drop(limits.insert(name, *number as f64)),
            toml::Value::Float(number) => drop(limits.insert(name, *number)),
            _ => anyhow::bail!("{name} is not a number"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_goes_over_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("limits.toml");
        std::fs::write(&path, "\"sla.p95_ms\" = 50\n[sla]\nerror_rate_percent = 0.1\n").expect("written");
        let limits = thresholds(Some(&path), &["sla.p95_ms=20".into()]).expect("limits");
        assert_eq!(limits["sla.p95_ms"], 20.0);
        assert_eq!(limits["sla.error_rate_percent"], 0.1);
    }

    #[test]
    fn an_unknown_limit_is_refused_with_the_names() {
        let error = thresholds(None, &["sla.p59_ms=20".into()]).expect_err("refused").to_string();
        assert!(error.contains("sla.p95_ms"), "{error}");
        assert!(thresholds(None, &["sla.p95_ms".into()]).is_err());
    }
}
