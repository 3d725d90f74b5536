use std::cell::OnceCell;
use std::collections::BTreeMap;

use erlmcp_record::names::phase;
use erlmcp_record::{FateCounts, Kind};

use super::Memory;
use crate::analysis::{Analysis, KindSecond, LeftOpen, Part, PhaseConnections, ServerWindow, Window};
use crate::format;
use crate::stats::{Drawn, Percentile};

/// Why there is no figure of the window, where it has no second.
pub(crate) const NO_WINDOW: &str = "no whole second was left after the warm-up";

/// The sustained load and its window after the warm-up.
pub(crate) struct Sustained<'a> {
    pub(crate) phase: u8,
    /// None where no whole second was left after the warm-up.
    pub(crate) window: Option<Window>,
    /// The load in the window.
    pub(crate) judged: Part,
    pub(crate) sweep: Part,
    /// The load by second of the window.
    pub(crate) loads: Vec<Option<&'a KindSecond>>,
    pub(crate) server: ServerWindow,
    pub(crate) connections: Option<&'a PhaseConnections>,
    pub(crate) held: Held,
    p95_drawn: OnceCell<Drawn>,
}

/// Bytes of all replicas with connections and without, and how many connections and streams share the difference.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MemoryEach {
    at_n: f64,
    pub(crate) reference: f64,
    holders: u64,
}

impl MemoryEach {
    pub(crate) fn bytes(self) -> f64 {
        self.of(self.at_n)
    }

    /// Of all connections and streams together.
    pub(crate) fn taken(self) -> f64 {
        self.at_n - self.reference
    }

    /// With so much memory of all replicas in place of the mean.
    pub(crate) fn of(self, bytes: f64) -> f64 {
        (bytes - self.reference) / self.holders as f64
    }
}

/// How many connections were open in the window, by both sides.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// What was to be held.
    pub(crate) target: u64,
    /// The fewest streams beside them in any second of the window, each on a connection of its own.
    pub(crate) streams_min: u64,
    /// Clients that misbehave beside them, and connections on which what servers ask is answered: the server's gauge may
    /// have so many more.
    pub(crate) others: u64,
    /// The fewest that the agents had in any second of the window.
    pub(crate) agents_min: Option<u64>,
    /// The most that were being renewed at the end of a second: closed by the target in order, and opened again at once.
    pub(crate) renewing: u64,
    pub(crate) server_min: Option<u64>,
    pub(crate) server_max: Option<u64>,
    /// Seconds in which an agent had been silent for too long to know.
    pub(crate) agents_unknown: u64,
    /// Seconds of the window that are more than 2 s from any sample of the server's gauge.
    pub(crate) server_unknown: u64,
    pub(crate) seconds: u64,
}

impl<'a> Sustained<'a> {
    pub(crate) fn of(analysis: &'a Analysis) -> Option<Self> {
        let (number, times) = analysis.phase_named(phase::SUSTAINED_LOAD)?;
        times.started_us?;
        let window = analysis.sustained_window();
        let server = window.map(|window| analysis.server_window(window)).unwrap_or_default();
        let loads = window.map(|window| analysis.load_seconds(window)).unwrap_or_default();
        let mut judged = analysis.part(true, |key| key.phase == number && key.kind == Kind::Load);
        count_whole_seconds(&mut judged, &loads);
        if window.is_some() {
            add_left_open(&mut judged, analysis.left_open(|key| key.phase == number && key.kind == Kind::Load));
        }
        Some(Self {
            phase: number,
            window,
            judged,
            sweep: analysis.part_of(number, Kind::Sweep),
            loads,
            held: window.map(|window| held(analysis, window, &server)).unwrap_or_default(),
            p95_drawn: OnceCell::new(),
            server,
            connections: analysis.connections.get(&number),
        })
    }

    /// The upper bound of the window's P95: drawn once, since it takes a while.
    pub(crate) fn p95_drawn(&self, seed: u64) -> Drawn {
        *self.p95_drawn.get_or_init(|| {
            let latencies = self.loads.iter().map(|load| load.map(|load| load.latency.clone()).unwrap_or_default());
            Drawn::of(&latencies.collect::<Vec<_>>(), Percentile::P95, seed)
        })
    }

    /// Memory a connection, streams and their connections among them; or why it cannot be told.
    pub(crate) fn memory_each(&self, memory: &Memory) -> Result<MemoryEach, String> {
        let Some(at_n) = self.server.memory_mean() else {
            let missing = || self.server.missing.clone().unwrap_or_else(|| "the target gives no memory figures".into());
            return Err(if self.window.is_none() { NO_WINDOW.into() } else { missing() });
        };
        let reference = memory.reference.clone()?;
        let (connections, target) = (self.held.agents_min.unwrap_or(0), self.held.target);
        if connections == 0 || connections * 100 < target * 99 {
            return Err(format!("{} of {} connections were open", format::count(connections), format::count(target)));
        }
        if at_n < reference {
            return Err("memory with connections was below that without".into());
        }
        if self.server.replica_sets.iter().any(|replicas| *replicas != memory.replicas) {
            let when = "between the measurement before the ramp and the end of the load";
            return Err(format!("replicas came or went {when}"));
        }
        Ok(MemoryEach { at_n, reference, holders: connections + self.held.streams_min })
    }

    /// The length of the window in seconds; 0 where there is none.
    pub(crate) fn seconds(&self) -> u64 {
        self.window.map_or(0, Window::seconds)
    }

    /// Requests planned in a second of the window, the mean.
    pub(crate) fn planned_a_second(&self) -> f64 {
        self.judged.planned as f64 / self.seconds().max(1) as f64
    }

    /// Answers of the window by replica, a second.
    pub(crate) fn answered_by_replica(&self) -> BTreeMap<u16, f64> {
        let seconds = self.seconds().max(1) as f64;
        let rate = |counts: &(u64, erlmcp_record::FateCounts)| counts.1.get(erlmcp_record::Fate::Ok) as f64 / seconds;
        self.judged.by_replica.iter().map(|(replica, counts)| (*replica, rate(counts))).collect()
    }
}

/// A load that was cut short has requests of a last second that is no whole one; the window's counts leave it out.
fn count_whole_seconds(judged: &mut Part, loads: &[Option<&KindSecond>]) {
    judged.planned = 0;
    judged.fates = FateCounts::default();
    for load in loads.iter().flatten() {
        judged.planned += load.planned;
        judged.fates.merge(&load.fates);
    }
}

/// What agents that died left open: due after their last rows, or without a fate in the seconds that are counted.
fn add_left_open(judged: &mut Part, open: Vec<LeftOpen>) {
    for mut open in open {
        let in_seconds = judged.planned.saturating_sub(judged.fates.total());
        open.unfated = open.unfated.min(open.untold + in_seconds);
        judged.push_open(open);
    }
}

fn held(analysis: &Analysis, window: Window, server: &ServerWindow) -> Held {
    let target = analysis.config.as_ref().map_or(0, |config| config.connections);
    let streams_min = analysis.streams.held_min(window).unwrap_or(0);
    let workload = analysis.config.as_ref().and_then(|config| config.workload.as_ref());
    let misbehaving: u64 = workload.map_or(0, |workload| workload.misbehaving.iter().map(|asked| asked.clients).sum());
    let others = misbehaving + analysis.answering_connections(window);
    let (agents_min, agents_unknown) = analysis.fewest_open(window);
    let renewing = analysis.most_renewing(window);
    let seconds = window.seconds();
    let mut held =
        Held { target, streams_min, others, agents_min, renewing, agents_unknown, seconds, ..Held::default() };
    let told: Vec<(u32, u64)> = server.gauge.iter().filter_map(|(second, gauge)| Some((*second, (*gauge)?))).collect();
    for second in window.from..window.to {
        let next = told.partition_point(|(seen, _)| *seen < second.saturating_sub(2));
        held.server_unknown += u64::from(told.get(next).is_none_or(|(seen, _)| *seen > second + 2));
    }
    held.server_min = told.iter().map(|(_, gauge)| *gauge).min();
    held.server_max = told.iter().map(|(_, gauge)| *gauge).max();
    held
}
