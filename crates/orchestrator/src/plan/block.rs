use std::net::SocketAddr;
use std::time::Duration;

use erlmcp_load::proto::Request;

use super::{Capacity, ChangeBy, Overflow, Scaling, Visiting};
use crate::{Era, fault};

/// The parts that phases are made from.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// Finds something out without loading the target.
    Probe(Probe),
    /// Opens connections.
    Connect(Connect),
    /// Waits, with everything as it is.
    Hold(Duration),
    /// Sends requests at a rate, on the connections that are open.
    Load(Load),
    /// The same, but other calls than the run's; those are told again afterwards.
    Varied { variant: Variant, load: Load },
    /// Sends load at one rate after another, until one is not kept.
    RateSweep(RateSweep),
    /// Opens streams of notifications, which are held from then on.
    Streams(Streams),
    /// The same as a load, while the target is changed every few seconds, for the streams to tell of it.
    Streaming { load: Load, changes: Result<ChangeBy, String> },
    /// Closes every stream.
    EndStreams { streams: u64 },
    /// More load for a while, on top of a steady one, until the target said no.
    Burst(Burst),
    /// Breaks something, or floods the queue, under load; heals it; waits until all is well.
    Fault(Fault),
    /// Breaks many things, under load that goes on.
    Faults(Faults),
    /// Goes to a limit of the target, or drives a part of it.
    Visiting(Visiting),
    /// Changes the number of replicas under load.
    Scaling(Scaling),
    /// Changes the number of replicas.
    Scale { replicas: u16, bound: Duration },
    /// Tells clients other addresses, and moves those there that are at addresses which are none of these any more.
    Readdress(Readdress),
    /// Begins operations beside whatever else is done, until they are audited.
    Operations(Operations),
    /// Ends the operations and proves that none was lost; `Err`: none were begun, and why.
    Audit(Result<(), String>),
    /// The same for operations that are still under way, if any: the run ended before their audit.
    AuditRemaining,
    /// Searches for what the target carries. Its trials take the ids that are left in its phase: it is the last step.
    Capacity(Box<Capacity>),
    /// Closes every connection.
    Close(Close),
    /// Ends agents, faults and the run's own cluster, and looks for what was left behind.
    Dismantle { own_cluster: bool },
}

/// What a probe finds out.
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    /// Does the target answer?
    Reachability,
    /// Does each address answer, how fast on a new connection, and which pages has it? `knocks` at each.
    Endpoints { knocks: u32 },
    /// How long do `count` requests take, one after another on one connection?
    Sequential { count: u32 },
    /// Are workers and agents ready?
    Readiness,
    /// Do the server's figures arrive?
    Metrics,
    /// How much memory does the server use with no connections?
    MemoryReference,
    /// Does every open connection answer? Spread evenly over the duration.
    Sweep { connections: u64, duration: Duration },
}

/// Connections to open.
#[derive(Debug, Clone, PartialEq)]
pub struct Connect {
    pub connections: u64,
    /// Openings a second; None: as fast as they are answered.
    pub rate: Option<f64>,
}

/// Requests to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// Requests a second, all agents together.
    pub rate: f64,
    pub duration: Duration,
    /// How often a line is shown; None: never.
    pub line_every: Option<Duration>,
    /// Its rate goes over time as the workload says, where there is one.
    pub shaped: bool,
}

/// What a load calls in place of the run's own call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// None: the run's own call.
    pub call: Option<Request>,
    /// None: as the run speaks.
    pub era: Option<Era>,
}

/// Rates to try, rising.
#[derive(Debug, Clone, PartialEq)]
pub struct RateSweep {
    /// Requests a second; at most [`RATES_MAX`].
    pub rates: Vec<f64>,
    pub each: Duration,
}

/// Streams of notifications to open.
#[derive(Debug, Clone, PartialEq)]
pub struct Streams {
    pub streams: u64,
    /// Openings a second.
    pub rate: f64,
}

/// Load beyond the usual.
#[derive(Debug, Clone, PartialEq)]
pub struct Burst {
    /// The usual requests a second, which go on throughout.
    pub rate: f64,
    /// What comes on top for the burst.
    pub extra: f64,
    pub duration: Duration,
    /// Queued work that goes on until refusals were seen; None: the target has no queued tool.
    pub queued: Option<Overflow>,
    /// Steady load before the burst and after it.
    pub window: Duration,
}

/// Something to break.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// One fault of a replica that is drawn among these, where it has connections; a scenario by that name of its own.
    Outage { scenario: String, rate: f64, window: Duration, fault: fault::Fault, among: Vec<u16> },
    /// The queue is filled beyond its limit.
    QueueOverflow { rate: f64, window: Duration, overflow: Overflow },
}

/// Addresses to be used from then on.
#[derive(Debug, Clone, PartialEq)]
pub struct Readdress {
    /// By replica.
    pub endpoints: Vec<(u16, SocketAddr)>,
    /// Clients that move a second, all agents together.
    pub move_rate: f64,
    /// How many move in all: for the estimate.
    pub moves: u64,
}

/// Calls that happen once each.
#[derive(Debug, Clone, PartialEq)]
pub struct Operations {
    /// Operations a second, all agents together.
    pub rate: f64,
    /// A tool whose effect is one transaction with its result.
    pub tool: String,
}

/// Things to break, from a list, while load goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// As the record names the scenario that they are.
    pub scenario: String,
    /// It ends with its last fault, where that is before its time.
    pub ends_with_last: bool,
    /// Replicas over which the connections are watched to be spread; empty: they are not watched.
    pub spread_over: Vec<u16>,
    /// Requests a second, all agents together.
    pub rate: f64,
    /// Nothing new begins after so long.
    pub duration: Duration,
    /// Steady load before the first fault, by which "steady" is known, and after the last.
    pub window: Duration,
    pub planned: Vec<fault::Planned>,
    /// In force at the same time, at most.
    pub at_once: u32,
    /// Of the target.
    pub replicas: u16,
    /// How often a line is shown; None: never.
    pub line_every: Option<Duration>,
    /// How the target is changed in the window after the last fault, for its streams to tell of it; None: it is not.
    pub changes: Option<Result<ChangeBy, String>>,
}

/// Connections to close.
#[derive(Debug, Clone, PartialEq)]
pub struct Close {
    /// How many are expected to be open: for the estimate.
    pub connections: u64,
    /// Closings a second; None: as fast as it goes.
    pub rate: Option<f64>,
    /// Wait until the server's own gauge is at zero.
    pub verify: bool,
}

/// Agents start a block a little in the future, so that all start together.
pub(crate) const START_DELAY: Duration = Duration::from_millis(300);
/// Rates of a sweep: each has a block of its own.
pub(crate) const RATES_MAX: usize = 14;
/// From a fault's effect to everything served again, at most.
pub(crate) const RECOVERY_BOUND: Duration = Duration::from_secs(30);
/// From the first queued call to a refusal seen, at most.
pub(crate) const REFUSAL_BOUND: Duration = Duration::from_secs(20);

/// From a fault's effect, or its heal, until all is well: only for estimates.
const RECOVERED: Duration = Duration::from_secs(6);
/// Openings and closings a second where nothing paces them: only for estimates.
const UNPACED_CPS: f64 = 8_000.0;
const UNPACED_CLOSE_CPS: f64 = 20_000.0;

impl Block {
    /// How long it is planned to take.
    pub fn estimate(&self) -> Duration {
        let second = Duration::from_secs(1);
        match self {
            Block::Probe(probe) => probe.estimate(),
            Block::Connect(connect) => connect.estimate(),
            Block::Hold(duration) => *duration,
            Block::Load(load) | Block::Streaming { load, .. } => load.duration + second,
            Block::Varied { load, .. } => load.duration + second,
            // It most likely ends before the last of them.
            Block::RateSweep(sweep) => (sweep.each + second) * sweep.rates.len() as u32,
            // Their memory is looked at before and after.
            Block::Streams(streams) => seconds(streams.streams as f64 / streams.rate) + 4 * second,
            Block::EndStreams { streams } => seconds(*streams as f64 / UNPACED_CLOSE_CPS) + second,
            Block::Burst(burst) => burst.estimate(),
            Block::Fault(fault) => fault.estimate(),
            Block::Operations(_) | Block::AuditRemaining => Duration::ZERO,
            Block::Audit(begun) => 3 * second * u32::from(begun.is_ok()),
            Block::Faults(faults) => faults.estimate(),
            Block::Visiting(visiting) => visiting.estimate(),
            Block::Scaling(scaling) => scaling.estimate(),
            Block::Scale { .. } => 10 * second,
            Block::Readdress(readdress) => seconds(readdress.moves as f64 / readdress.move_rate.max(1.0)) + second,
            Block::Capacity(capacity) => capacity.estimate(),
            Block::Close(close) => close.estimate(),
            Block::Dismantle { own_cluster } => {
                if *own_cluster {
                    5 * second
                } else {
                    2 * second
                }
            }
        }
    }

    /// How long its openings may take: a run does not wait for ever for a target that opens ever more slowly.
    pub(crate) fn opening_bound(&self) -> Duration {
        4 * self.estimate() + Duration::from_secs(60)
    }
}

impl Probe {
    fn estimate(&self) -> Duration {
        match self {
            Probe::Reachability | Probe::Readiness => Duration::from_millis(500),
            Probe::Endpoints { .. } => Duration::from_secs(1),
            Probe::Sequential { count } => Duration::from_millis(500 + u64::from(*count) * 5),
            Probe::Metrics | Probe::MemoryReference => Duration::from_secs(1),
            Probe::Sweep { duration, .. } => *duration + Duration::from_secs(1),
        }
    }
}

impl Connect {
    fn estimate(&self) -> Duration {
        seconds(self.connections as f64 / self.rate.unwrap_or(UNPACED_CPS)) + Duration::from_secs(1)
    }
}

impl Close {
    fn estimate(&self) -> Duration {
        seconds(self.connections as f64 / self.rate.unwrap_or(UNPACED_CLOSE_CPS)) + Duration::from_secs(1)
    }
}

impl Burst {
    fn estimate(&self) -> Duration {
        let refusals = self.queued.as_ref().map_or(Duration::ZERO, Overflow::fill_estimate);
        2 * self.window + self.duration + refusals + Duration::from_secs(4)
    }
}

impl Faults {
    fn estimate(&self) -> Duration {
        let to_do = self.planned.iter().filter(|planned| planned.skip.is_none());
        let each: Duration = to_do.map(|planned| planned.fault.hold + RECOVERED).sum();
        let lasts = if self.ends_with_last { each.min(self.duration) } else { self.duration };
        lasts + 2 * self.window + RECOVERED
    }
}

impl Fault {
    fn estimate(&self) -> Duration {
        match self {
            Fault::Outage { window, fault, .. } => 2 * *window + fault.hold + RECOVERED,
            Fault::QueueOverflow { window, overflow, .. } => {
                2 * *window + overflow.fill_estimate() + overflow.drain_estimate() + Duration::from_secs(4)
            }
        }
    }
}

fn seconds(value: f64) -> Duration {
    Duration::from_secs_f64(value.max(0.0))
}
