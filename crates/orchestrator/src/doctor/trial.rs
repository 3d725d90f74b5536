//! A short load on a target, for what it shows of who is at the limit: a run of `stress` whose record is read and thrown
//! away.

use std::fs;
use std::path::Path;
use std::time::Duration;

use erlmcp_record::names::phase;
use erlmcp_report::SecondView;
use tokio::sync::{mpsc, watch};

use super::finding::Finding;
use super::load::{Usage, diagnose};
use super::target::Met;
use crate::{StressConfig, StressError, stress};

/// Enough to keep a server busy; what many connections cost is another question.
const CONNECTIONS: u64 = 200;
const WARM_UP: Duration = Duration::from_secs(2);
/// Seconds at both ends of the load that are not whole ones of it, or of its warm-up.
const FIRST: usize = 2;
const LAST: usize = 1;

/// # Errors
/// Where the user has ended it.
pub(super) async fn run(
    run: &StressConfig,
    met: &Met,
    length: Duration,
    cancel: watch::Receiver<u32>,
) -> Result<Vec<Finding>, StressError> {
    let unknown = |why: String| Ok(vec![Finding::unknown("load", format!("it could not be tried: {why}"))]);
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => return unknown(format!("there is no place for its record: {error}")),
    };
    let config = StressConfig {
        // Another host wants both to be said.
        connections: match met.leads.is_loopback {
            true => Some(run.connections().min(CONNECTIONS)),
            false => run.connections.map(|connections| connections.min(CONNECTIONS)),
        },
        operations: Some(0.0),
        streams: 0,
        change_tool: None,
        duration: Some(length),
        warmup: Some(WARM_UP.min(length / 2)),
        agents: None,
        phases: ["1", "2", "3", "6"].map(String::from).to_vec(),
        no_faults: true,
        output: Some(folder.path().join("run")),
        ..run.clone()
    };
    let before = segments();
    let (events, mut received) = mpsc::channel(64);
    let listener = tokio::spawn(async move { while received.recv().await.is_some() {} });
    let outcome = Box::pin(stress(config, events, cancel)).await;
    // Whatever ended it, nobody tells any more.
    let _ = listener.await;
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(StressError::Interrupted) => return Err(StressError::Interrupted),
        Err(error) => return unknown(error.to_string()),
    };
    if outcome.exit_code == StressError::Interrupted.exit_code() {
        return Err(StressError::Interrupted);
    }
    let seconds = seconds(&outcome.folder);
    let mut usage = Usage::of(&seconds, met.cores, met.leads.is_colocated);
    usage.way_ms = met.way_ms;
    usage.retransmitted = before
        .zip(segments())
        .map(|((again, all), (again_now, all_now))| (again_now.saturating_sub(again), all_now.saturating_sub(all)));
    Ok(diagnose(&usage, met.held, run))
}

/// Those of the load itself.
fn seconds(folder: &Path) -> Vec<SecondView> {
    let text = fs::read_to_string(folder.join("metrics.jsonl")).unwrap_or_default();
    let all = text.lines().filter_map(|line| serde_json::from_str::<SecondView>(line).ok());
    let load = |second: &SecondView| second.phase_name == phase::SUSTAINED_LOAD && second.offered_rps > 0.0;
    let mut load: Vec<SecondView> = all.filter(load).collect();
    load.truncate(load.len().saturating_sub(LAST));
    load.split_off(FIRST.min(load.len()))
}

/// Segments sent again, and all that were sent, of this machine.
fn segments() -> Option<(u64, u64)> {
    counted(&fs::read_to_string("/proc/net/snmp").ok()?)
}

fn counted(text: &str) -> Option<(u64, u64)> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let value = |wanted: &str| {
        let mut pairs = names.split_ascii_whitespace().zip(values.split_ascii_whitespace());
        pairs.find(|(name, _)| *name == wanted)?.1.parse().ok()
    };
    Some((value("RetransSegs")?, value("OutSegs")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_read_by_name() {
        let text = "Ip: Forwarding\nIp: 1\nTcp: RtoMin OutSegs RetransSegs InErrs\nTcp: 200 1000 7 0\n";
        assert_eq!(counted(text), Some((7, 1_000)));
        assert_eq!((counted(""), counted("Tcp: OutSegs\nTcp: 5\n")), (None, None));
    }

    #[test]
    fn only_whole_seconds_of_the_load_count() {
        let folder = tempfile::tempdir().expect("a folder");
        let second = |second: u32, name: &str, offered_rps: f64| {
            SecondView { second, phase_name: name.into(), offered_rps, ..SecondView::default() }.to_json_line()
        };
        let lines: String = [
            second(1, phase::BASELINE, 10.0),
            (2..8).map(|at| second(at, phase::SUSTAINED_LOAD, 10.0)).collect(),
            second(8, phase::SUSTAINED_LOAD, 0.0),
            "{ torn".into(),
        ]
        .concat();
        fs::write(folder.path().join("metrics.jsonl"), lines).expect("written");
        let kept: Vec<u32> = seconds(folder.path()).iter().map(|second| second.second).collect();
        assert_eq!(kept, [4, 5, 6]);
        assert!(seconds(Path::new("/nowhere")).is_empty());
    }
}
