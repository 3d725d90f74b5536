use erlmcp_load::proto::{self, command::Command};
use erlmcp_record::{BlockRow, Entry, Kind};

use crate::action::Action;
use crate::event::{Event, Said};
use crate::machine::{Observation, Place};
use crate::plan::{START_DELAY, rate_share, share};
use crate::workload::Misbehaving;

/// One block of work, given to all agents that are there, and what became of it at each.
#[derive(Debug)]
pub(crate) struct Assignment {
    pub(crate) block: u32,
    phase: u8,
    name: String,
    /// None: the block sends no requests, and needs no row.
    kind: Option<Kind>,
    pub(crate) start_us: u64,
    duration_us: u64,
    parts: Vec<Part>,
    is_cut: bool,
}

#[derive(Debug)]
struct Part {
    agent: u32,
    /// Requests a second; 0: not paced.
    rate: f64,
    /// As the agent told.
    planned: u64,
    /// Of these, what its rows have counted so far.
    counted: u64,
    is_over: bool,
}

/// Load, as an assignment needs to know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoadOrder {
    /// Requests a second, all agents together.
    pub(crate) rate: f64,
    pub(crate) duration_us: u64,
    pub(crate) queued: bool,
    pub(crate) retry_refused: bool,
    /// Once all are planned: retries a second, all agents together, where their budgets have fewer.
    pub(crate) settle_rate: f64,
    /// Its rate goes over time as the workload says.
    pub(crate) shaped: bool,
}

impl LoadOrder {
    /// So many requests a second for so long, and nothing else.
    pub(crate) fn plain(rate: f64, duration_us: u64) -> Self {
        Self { rate, duration_us, queued: false, retry_refused: false, settle_rate: 0.0, shaped: false }
    }
}

/// Openings in flight at most, of one agent.
const AT_ONCE_MAX: u64 = 512;

impl Assignment {
    fn give(
        place: &Place,
        block: u32,
        kind: Option<Kind>,
        times: (u64, u64),
        agents: &[u32],
        command: impl Fn(u32, u32) -> (f64, Command),
    ) -> (Self, Vec<Action>) {
        let mut assignment = Self {
            block,
            phase: place.phase,
            name: place.name.clone(),
            kind,
            start_us: times.0,
            duration_us: times.1,
            parts: Vec::new(),
            is_cut: false,
        };
        let mut actions = Vec::new();
        for (index, agent) in agents.iter().enumerate() {
            let (rate, command) = command(index as u32, agents.len() as u32);
            assignment.parts.push(Part { agent: *agent, rate, planned: 0, counted: 0, is_over: false });
            actions.push(Action::Command { agent: *agent, command });
        }
        (assignment, actions)
    }

    /// Opens `connections` in all, `rate` a second in all (None: unpaced).
    pub(crate) fn open(
        place: &Place,
        block: u32,
        (connections, rate): (u64, Option<f64>),
        seen: &Observation<'_>,
    ) -> (Self, Vec<Action>) {
        let start_us = soon(seen.now_us);
        let phase = u32::from(place.phase);
        Self::give(place, block, Some(Kind::Probe), (start_us, 0), &seen.world.alive(), |index, agents| {
            let rate = rate.map_or(0.0, |rate| rate_share(rate, agents, index).0);
            let connections = share(connections, agents, index);
            let open = proto::Open { block, phase, connections, rate, start_us, at_once_max: AT_ONCE_MAX };
            (rate, Command::Open(open))
        })
    }

    /// Sends load from the next whole second on, so that seconds of the record are whole seconds of load.
    pub(crate) fn load(place: &Place, block: u32, order: LoadOrder, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let start_us = soon(seen.now_us).next_multiple_of(1_000_000);
        let LoadOrder { rate, duration_us, queued, retry_refused, settle_rate, shaped } = order;
        let arrival = place.run.calls.workload.as_ref().filter(|_| !queued).map(|workload| &workload.arrival);
        let poisson = arrival.is_some_and(|arrival| arrival.poisson);
        let shape = arrival.filter(|_| shaped).and_then(|arrival| arrival.shape(rate));
        let kind = if queued { Kind::Queued } else { Kind::Load };
        let phase = u32::from(place.phase);
        // Who holds no connection could send nothing.
        let mut agents = seen.world.alive();
        agents.truncate(place.run.connections.max(1) as usize);
        Self::give(place, block, Some(kind), (start_us, duration_us), &agents, |index, agents| {
            let (rate, offset) = rate_share(rate, agents, index);
            (
                rate,
                Command::Load(proto::Load {
                    block,
                    phase,
                    queued,
                    rate,
                    poisson,
                    start_us,
                    duration_us,
                    offset,
                    retry_refused,
                    settle_rate: settle_rate / f64::from(agents),
                    shape: shape.clone(),
                }),
            )
        })
    }

    /// One request on every open connection, spread over `duration_us`.
    pub(crate) fn sweep(place: &Place, block: u32, duration_us: u64, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let start_us = soon(seen.now_us).next_multiple_of(1_000_000);
        let phase = u32::from(place.phase);
        Self::give(place, block, Some(Kind::Sweep), (start_us, duration_us), &seen.world.alive(), |_, _| {
            (0.0, Command::Sweep(proto::Sweep { block, phase, start_us, duration_us }))
        })
    }

    /// `count` requests, one after another, by the first agent that is there.
    pub(crate) fn sequential(place: &Place, block: u32, count: u32, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let first: Vec<u32> = seen.world.alive().into_iter().take(1).collect();
        let phase = u32::from(place.phase);
        Self::give(place, block, Some(Kind::Sequential), (seen.now_us, 0), &first, |_, _| {
            (0.0, Command::Sequential(proto::Sequential { block, phase, count }))
        })
    }

    /// Closes every connection, `rate` a second in all (None: unpaced).
    pub(crate) fn close(place: &Place, block: u32, rate: Option<f64>, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let start_us = soon(seen.now_us);
        let phase = u32::from(place.phase);
        Self::give(place, block, None, (start_us, 0), &seen.world.alive(), |index, agents| {
            let rate = rate.map_or(0.0, |rate| rate_share(rate, agents, index).0);
            (rate, Command::Close(proto::Close { block, phase, rate, start_us }))
        })
    }

    /// Opens so many streams in all, `rate` a second in all.
    pub(crate) fn streams(
        place: &Place,
        block: u32,
        (streams, rate): (u64, f64),
        seen: &Observation<'_>,
    ) -> (Self, Vec<Action>) {
        let start_us = soon(seen.now_us);
        let phase = u32::from(place.phase);
        Self::give(place, block, None, (start_us, 0), &seen.world.alive(), |index, agents| {
            let rate = rate_share(rate, agents, index).0;
            let streams = share(streams, agents, index);
            let order = proto::Streams { block, phase, streams, rate, start_us, at_once_max: AT_ONCE_MAX };
            (rate, Command::Streams(order))
        })
    }

    /// Closes so many of each hundred connections at one instant, and opens them again at once.
    pub(crate) fn reconnect(place: &Place, block: u32, percent: u32, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        Self::herd(place, block, (percent, soon(seen.now_us), 0), seen)
    }

    /// Closes all connections at one instant, the beginning of a second, and opens them again together after the outage.
    pub(crate) fn storm(place: &Place, block: u32, outage_us: u64, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let at_us = soon(seen.now_us).next_multiple_of(1_000_000);
        Self::herd(place, block, (100, at_us, outage_us), seen)
    }

    fn herd(
        place: &Place,
        block: u32,
        (percent, at_us, outage_us): (u32, u64, u64),
        seen: &Observation<'_>,
    ) -> (Self, Vec<Action>) {
        let phase = u32::from(place.phase);
        Self::give(place, block, None, (at_us, 0), &seen.world.alive(), |_, _| {
            (0.0, Command::Reconnect(proto::Reconnect { block, phase, percent, at_us, outage_us }))
        })
    }

    /// Holds so many slow connections in all: half of them send slowly, the others do not read.
    pub(crate) fn slow(
        place: &Place,
        block: u32,
        (connections, duration_us): (u64, u64),
        seen: &Observation<'_>,
    ) -> (Self, Vec<Action>) {
        Self::give(place, block, None, (seen.now_us, duration_us), &seen.world.alive(), |index, agents| {
            let connections = share(connections, agents, index) as u32;
            (0.0, Command::Slow(proto::Slow { block, connections, duration_us, first: index }))
        })
    }

    /// Moves clients, `rate` a second in all, from addresses that have more connections or are gone to those with the fewest.
    pub(crate) fn rebalance(
        place: &Place,
        block: u32,
        (rate, within_us): (f64, u64),
        seen: &Observation<'_>,
    ) -> (Self, Vec<Action>) {
        let start_us = soon(seen.now_us);
        let (phase, until_us) = (u32::from(place.phase), start_us + within_us);
        Self::give(place, block, None, (start_us, within_us), &seen.world.alive(), |index, agents| {
            let rate = rate_share(rate, agents, index).0;
            (rate, Command::Rebalance(proto::Rebalance { block, phase, rate, start_us, until_us }))
        })
    }

    /// Lets clients misbehave beside the connections, as the workload says; None where it has none of them.
    pub(crate) fn misbehave(
        place: &Place,
        block: u32,
        (start_us, duration_us): (u64, u64),
        seen: &Observation<'_>,
    ) -> Option<(Self, Vec<Action>)> {
        let workload = place.run.calls.workload.as_ref().filter(|workload| !workload.misbehaving.is_empty())?;
        let phase = u32::from(place.phase);
        let times = (start_us, duration_us);
        Some(Self::give(place, block, None, times, &seen.world.alive(), |index, agents| {
            let clients = |one: &Misbehaving| proto::MisbehavingClients {
                way: one.way.name().into(),
                clients: share(one.clients(place.run.connections), agents, index) as u32,
                every_min_us: one.every.0.as_micros() as u64,
                every_max_us: one.every.1.as_micros() as u64,
            };
            let clients = workload.misbehaving.iter().map(clients).collect();
            (0.0, Command::Misbehave(proto::Misbehave { block, phase, start_us, duration_us, clients }))
        }))
    }

    /// Closes every stream.
    pub(crate) fn end_streams(place: &Place, block: u32, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let start_us = soon(seen.now_us);
        let phase = u32::from(place.phase);
        Self::give(place, block, None, (start_us, 0), &seen.world.alive(), |_, _| {
            (0.0, Command::EndStreams(proto::EndStreams { block, phase, rate: 0.0, start_us }))
        })
    }

    /// Takes note of what concerns this block; its rows come back.
    pub(crate) fn observe(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let Event::Agent { agent, said } = seen.event else { return Vec::new() };
        let Some(index) = self.parts.iter().position(|part| part.agent == *agent && !part.is_over) else {
            return Vec::new();
        };
        match said {
            Said::Planned { block, planned } if *block == self.block => {
                self.parts[index].planned = *planned;
                self.row(index, *planned, false)
            }
            Said::Rows(rows) => {
                self.parts[index].counted += rows.iter().map(|row| self.counted_in(row)).sum::<u64>();
                Vec::new()
            }
            Said::Done { block } if *block == self.block => {
                self.parts[index].is_over = true;
                Vec::new()
            }
            Said::Gone(_) => {
                self.parts[index].is_over = true;
                self.row(index, self.due(index, seen.now_us), true)
            }
            _ => Vec::new(),
        }
    }

    fn counted_in(&self, row: &Entry) -> u64 {
        match row {
            Entry::Interval(row) if row.block == self.block && Some(row.kind) == self.kind => row.planned,
            _ => 0,
        }
    }

    /// The requests of a part whose time had come: what was planned for later never was to be sent.
    fn due(&self, index: usize, now_us: u64) -> u64 {
        let part = &self.parts[index];
        let elapsed_us = now_us.saturating_sub(self.start_us);
        let due = match (self.duration_us, part.rate) {
            (_, rate) if rate > 0.0 && now_us >= self.start_us => (elapsed_us as f64 * rate / 1e6) as u64 + 1,
            (_, rate) if rate > 0.0 => 0,
            // Spread evenly.
            (duration_us @ 1.., _) => {
                (u128::from(part.planned) * u128::from(elapsed_us) / u128::from(duration_us)) as u64
            }
            _ => part.planned,
        };
        due.max(part.counted).min(part.planned)
    }

    fn row(&self, index: usize, planned: u64, lost: bool) -> Vec<Action> {
        let part = &self.parts[index];
        let Some(kind) = self.kind else { return Vec::new() };
        vec![Action::Row(Entry::Block(BlockRow {
            agent: part.agent,
            phase: self.phase,
            block: self.block,
            kind,
            name: self.name.clone(),
            planned,
            start_us: self.start_us,
            duration_us: self.duration_us,
            rate: part.rate,
            lost,
        }))]
    }

    /// Ends it early at every agent; what was planned before still gets its fate.
    pub(crate) fn cut(&mut self) -> Vec<Action> {
        if self.is_cut {
            return Vec::new();
        }
        self.is_cut = true;
        let open: Vec<u32> = self.parts.iter().filter(|part| !part.is_over).map(|part| part.agent).collect();
        Action::to_all(&open, &Command::Cut(proto::Cut { block: self.block }))
    }

    /// True when every agent has said so, or is gone.
    pub(crate) fn is_over(&self) -> bool {
        self.parts.iter().all(|part| part.is_over)
    }
}

/// The time at which a block that is given out now starts at every agent.
fn soon(now_us: u64) -> u64 {
    now_us + START_DELAY.as_micros() as u64
}
