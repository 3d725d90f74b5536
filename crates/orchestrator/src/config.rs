use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use erlmcp_report::slo::Slo;

use crate::StressError;
use crate::fault::FaultList;
use crate::plan;
use crate::workload::Workload;

mod check;
mod joining;
mod purpose;

pub use joining::{Joining, JoiningTls};
pub use purpose::Purpose;

/// The protocol era that the clients speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// Modern first, then legacy where the server speaks only that.
    Auto,
    Modern,
    Legacy,
}

impl Era {
    /// The name that agents and records know it by.
    pub fn name(self) -> &'static str {
        match self {
            Era::Auto => "auto",
            Era::Modern => "modern",
            Era::Legacy => "legacy",
        }
    }
}

/// A tool that the user named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    pub name: String,
    /// A JSON object; empty for none.
    pub arguments: String,
}

/// Who breaks a target that is no cluster of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Driver {
    /// Docker Swarm, through the socket of the engine that the tasks run on.
    Swarm { engine: PathBuf },
    /// Kubernetes: by the address of a `kubectl proxy`, else as its pods are told; in this namespace, else the pod's own.
    Kubernetes { api: Option<String>, namespace: Option<String> },
}

/// What a run was asked for. `None` is "not said": some defaults depend on the target, and a foreign host wants some
/// things said.
#[derive(Debug, Clone, PartialEq)]
pub struct StressConfig {
    /// The URL; None: a local cluster of the run's own.
    pub target: Option<String>,
    pub connections: Option<u64>,
    /// Operations a second beside sustained load and faults, where the target knows them; None: the usual.
    pub operations: Option<f64>,
    /// Streams of notifications to hold beside them during the sustained load.
    pub streams: u64,
    /// Called every few seconds, for the streams to tell of what it has changed.
    pub change_tool: Option<ToolCall>,
    /// Of sustained load.
    pub duration: Option<Duration>,
    /// Requests a second in sustained load.
    pub rate: Option<f64>,
    /// Connections a second in the ramp-up.
    pub ramp_rate: f64,
    /// Of the run's own cluster.
    pub replicas: Option<u16>,
    pub agents: Option<u32>,
    /// The agents are started elsewhere; None: they are processes of the run.
    pub joining: Option<Joining>,
    /// Every latency is kept in the record beside its histogram.
    pub raw_latencies: bool,
    pub era: Era,
    /// Of the legacy era: a session for each connection, else one for each agent.
    pub own_sessions: bool,
    pub tool: Option<ToolCall>,
    /// What clients do in place of one call again and again.
    pub workload: Option<Workload>,
    /// Name and value of headers for every request.
    pub headers: Vec<(String, String)>,
    /// Bearer tokens that the connections of the load take in turn; the first is among the headers as well. Empty: all is in
    /// the headers.
    pub tokens: Vec<String>,
    /// Root certificates to trust beside the system's, PEM; empty for none.
    pub ca_pem: String,
    /// Trusts any certificate.
    pub insecure: bool,
    /// The flags with which headers, tokens and certificates were given, and their values, but for what is secret; for commands
    /// that are proposed.
    pub reaching: Vec<(&'static str, String)>,
    /// A request's.
    pub timeout: Duration,
    /// None: drawn from the clock.
    pub seed: Option<u64>,
    /// Phases to run, by number or name; empty: all.
    pub phases: Vec<String>,
    /// Start of the sustained load that is not judged.
    pub warmup: Option<Duration>,
    /// Process of a foreign server on this machine.
    pub target_pid: Option<u32>,
    /// Folder for the results.
    pub output: Option<PathBuf>,
    /// Bytes of the record at which a run ends.
    pub record_limit: u64,
    /// Hosts beyond loopback that may be loaded.
    pub allow_hosts: Vec<String>,
    /// None: a local cluster by its control socket, any other target by the user's own commands.
    pub driver: Option<Driver>,
    /// Limits that the user changed, by name ("sla.p95_ms").
    pub thresholds: BTreeMap<String, f64>,
    /// What the load must keep beside them.
    pub asserts: Option<Slo>,
    pub no_faults: bool,
    /// Faults to draw from, or their timetable; None: those of the command.
    pub faults: Option<FaultList>,
    pub purpose: Purpose,
    /// Goes on above 50 % errors on another host.
    pub no_abort: bool,
    pub require_all: bool,
    /// As typed, for the record.
    pub command_line: Vec<String>,
}

/// Connections where none were asked for.
pub const CONNECTIONS: u64 = 100_000;
/// Requests a second where none were asked for: above the throughput limit, so that it can be met or missed.
pub const RATE: f64 = 12_000.0;
/// Operations a second where none were asked for: enough that some are under way whenever a fault begins.
const OPERATIONS: f64 = 500.0;
/// Connections a second in the ramp-up where nothing else was asked for.
const RAMP_RATE: f64 = 5_000.0;
/// A request's timeout where none was asked for.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Replicas of the run's own cluster.
pub const REPLICAS: u16 = 12;
/// Steps of the load scaling where none were asked for.
const STEPS: [u64; 3] = [1_000, 10_000, 100_000];
/// Bytes of a record at most: more than a day of 100,000 connections takes.
const RECORD_LIMIT: u64 = 32_000_000_000;
const DURATION: Duration = Duration::from_secs(60);
const WARMUP: Duration = Duration::from_secs(10);

impl Default for StressConfig {
    /// What `erlmcp stress` asks for without a flag.
    fn default() -> Self {
        Self {
            target: None,
            connections: None,
            operations: None,
            streams: 0,
            change_tool: None,
            duration: None,
            rate: None,
            ramp_rate: RAMP_RATE,
            replicas: None,
            agents: None,
            joining: None,
            raw_latencies: false,
            era: Era::Auto,
            own_sessions: false,
            tool: None,
            workload: None,
            headers: Vec::new(),
            tokens: Vec::new(),
            ca_pem: String::new(),
            insecure: false,
            reaching: Vec::new(),
            timeout: TIMEOUT,
            seed: None,
            phases: Vec::new(),
            warmup: None,
            target_pid: None,
            output: None,
            record_limit: RECORD_LIMIT,
            allow_hosts: Vec::new(),
            driver: None,
            thresholds: BTreeMap::new(),
            asserts: None,
            no_faults: false,
            faults: None,
            purpose: Purpose::Stress,
            no_abort: false,
            require_all: false,
            command_line: Vec::new(),
        }
    }
}

impl StressConfig {
    pub fn connections(&self) -> u64 {
        let sought = self.purpose.capacity().map(|capacity| capacity.most_connections);
        self.connections.or(sought).or_else(|| self.asked_steps().iter().max().copied()).unwrap_or(CONNECTIONS)
    }

    /// The same, with what the workload says where the command line does not.
    #[must_use]
    pub fn with_workload(mut self, workload: Workload) -> Self {
        workload.fill(&mut self);
        self.workload = Some(workload);
        self
    }

    /// Connections of each step of the suite's load scaling, rising.
    pub fn steps(&self) -> Vec<u64> {
        let connections = self.connections();
        let mut steps = match self.asked_steps() {
            [] => STEPS.into_iter().filter(|step| *step < connections).chain([connections]).collect(),
            asked => asked.to_vec(),
        };
        steps.sort_unstable();
        steps.dedup();
        steps
    }

    fn asked_steps(&self) -> &[u64] {
        match &self.purpose {
            Purpose::Comprehensive { steps } => steps,
            _ => &[],
        }
    }

    /// The most connections, streams and misbehaving clients together: each is on a connection of its own.
    pub fn sockets(&self) -> u64 {
        let misbehaving = self.workload.as_ref().map_or(0, |workload| workload.misbehaving_count(self.connections()));
        self.connections().max(self.asked_steps().iter().max().copied().unwrap_or(0)) + self.streams + misbehaving
    }

    pub fn duration(&self) -> Duration {
        self.duration.unwrap_or(DURATION)
    }

    /// Operations a second.
    pub fn operations(&self) -> f64 {
        self.operations.unwrap_or(OPERATIONS)
    }

    /// Requests a second.
    pub fn rate(&self) -> f64 {
        self.rate.unwrap_or(RATE)
    }

    /// Start of the sustained load that is not judged: 10 s, a third of a run under 30 s.
    pub fn warmup(&self) -> Duration {
        let third = self.duration() / 3;
        self.warmup.unwrap_or(if self.duration() < Duration::from_secs(30) { third } else { WARMUP })
    }

    /// For each phase of the plan: was it asked for?
    pub(crate) fn chosen_phases(&self) -> Result<Vec<bool>, StressError> {
        match &self.purpose {
            Purpose::Comprehensive { .. } => plan::choose(&self.phases, &plan::SUITE_PHASES),
            _ => plan::choose(&self.phases, &plan::STRESS_PHASES),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
