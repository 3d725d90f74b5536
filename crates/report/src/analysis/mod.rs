//! The fold over a record's rows.

mod bounded;
mod classes;
mod connections;
mod flow;
mod joined;
mod ledger;
mod misbehaving;
mod old;
mod second;
mod server;
mod span;
mod streams;
mod view;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use erlmcp_record::names::{finding, phase};
use erlmcp_record::{
    BlockRow, ConfigRow, ConnectionRow, EndRow, Ended, Entry, EpisodeRow, FaultRow, FindingRow, IntervalRow,
    JournalError, JournalReader, Kind, PhaseEvent, PhaseRow, RunHeader, ScenarioRow, TargetRow,
};

use bounded::Bounded;
pub(crate) use classes::ClassPart;
pub(crate) use connections::{LastOpen, PhaseConnections, sum_by_replica};
pub(crate) use flow::{Flow, FlowKey, Part, generators_own};
pub(crate) use ledger::LeftOpen;
pub(crate) use old::WHOLE_S;
pub(crate) use second::{KindSecond, Second, SlotCounts};
pub(crate) use server::{ServerWindow, cpu_percent_between, sum_of};
pub use span::Span;
pub(crate) use streams::{Broken, Streams};
pub(crate) use window::{US_A_SECOND, Window};

use crate::{Summary, capacity};

/// Seconds of a run that are kept: a week and an hour.
const SECONDS_MAX: usize = 608_400;

/// The fold over a record's rows. Rows of a second may come late and in any order; a block's row comes before the
/// rows of its requests. Memory is bounded by the length of the run in seconds, not by its rows.
#[derive(Debug)]
pub struct Analysis {
    pub(crate) header: Option<RunHeader>,
    pub(crate) config: Option<ConfigRow>,
    pub(crate) target: Option<TargetRow>,
    pub(crate) end: Option<EndRow>,
    pub(crate) torn: bool,
    pub(crate) phases: BTreeMap<u8, PhaseTimes>,
    pub(crate) blocks: Bounded<(u32, u32), BlockRow>,
    pub(crate) flows: Bounded<FlowKey, Flow>,
    pub(crate) ledger: ledger::Ledger,
    pub(crate) connections: BTreeMap<u8, PhaseConnections>,
    pub(crate) agents: BTreeMap<u32, LastOpen>,
    pub(crate) lost_agents: BTreeSet<u32>,
    pub(crate) episodes: Bounded<(u32, u32), EpisodeRow>,
    pub(crate) faults: Bounded<u32, FaultRow>,
    /// Replicas that went out of membership, by when.
    pub(crate) lost_replicas: Bounded<(u64, u16), ()>,
    pub(crate) scenarios: Bounded<(u8, String), ScenarioRow>,
    pub(crate) findings: Bounded<(u8, String), FindingRow>,
    /// What was said of agents that died, with the phase.
    pub(crate) losses: Vec<(u8, String)>,
    pub(crate) seconds: Bounded<u32, Second>,
    pub(crate) streams: Streams,
    pub(crate) capacity: capacity::Rows,
    /// Of a workload, in the judged part of the sustained load.
    pub(crate) classes: Bounded<u8, ClassPart>,
    pub(crate) misbehaving: misbehaving::Misbehaving,
    pub(crate) joined: joined::JoinedAgents,
    view: view::Progress,
    /// Seconds before this one keep only what is judged by the second.
    folded_before: u32,
    /// Only the last seconds are kept, however many there are.
    is_looked_at: bool,
}

/// When a phase was and how it went.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct PhaseTimes {
    pub(crate) name: String,
    pub(crate) estimated_ms: u64,
    pub(crate) started_us: Option<u64>,
    pub(crate) ended_us: Option<u64>,
    pub(crate) skipped: Option<String>,
}

impl Default for Analysis {
    fn default() -> Self {
        Self::new()
    }
}

impl Analysis {
    pub fn new() -> Self {
        Self {
            header: None,
            config: None,
            target: None,
            end: None,
            torn: false,
            phases: BTreeMap::new(),
            blocks: Bounded::new(100_000),
            flows: Bounded::new(512),
            ledger: ledger::Ledger::default(),
            connections: BTreeMap::new(),
            agents: BTreeMap::new(),
            lost_agents: BTreeSet::new(),
            episodes: Bounded::new(100_000),
            faults: Bounded::new(10_000),
            lost_replicas: Bounded::new(100_000),
            scenarios: Bounded::new(1_000),
            findings: Bounded::new(10_000),
            losses: Vec::new(),
            seconds: Bounded::new(SECONDS_MAX),
            streams: Streams::new(),
            capacity: capacity::Rows::default(),
            classes: Bounded::new(256),
            misbehaving: misbehaving::Misbehaving::new(),
            joined: joined::JoinedAgents::new(),
            view: view::Progress::default(),
            folded_before: 0,
            is_looked_at: false,
        }
    }

    /// Of a server that is looked at, for however long: seconds whose views were taken are forgotten.
    pub(crate) fn of_server() -> Self {
        Self { is_looked_at: true, ..Self::new() }
    }

    /// Folds the journal of the run in `folder`.
    pub fn from_folder(folder: &Path) -> Result<Self, JournalError> {
        let mut analysis = Self::new();
        let mut reader = JournalReader::open(folder)?;
        for entry in &mut reader {
            analysis.push(&entry?);
        }
        analysis.torn = reader.torn();
        Ok(analysis)
    }

    pub fn push(&mut self, entry: &Entry) {
        match entry {
            Entry::Run(row) => self.header = Some(row.clone()),
            Entry::Config(row) => self.config = Some(row.clone()),
            Entry::Target(row) => self.target = Some(row.clone()),
            Entry::Phase(row) => self.push_phase(row),
            Entry::Block(row) => self.push_block(row),
            Entry::Interval(row) => self.push_interval(row),
            Entry::Connections(row) => self.push_connections(row),
            Entry::Streams(row) => {
                let faults = self.phase_named(phase::FAILURE_RECOVERY).map(|(number, _)| number);
                self.streams.push(row, faults == Some(row.phase));
            }
            Entry::Change(row) => self.streams.changes.put(row.change, row.clone()),
            Entry::FanOut(row) => self.streams.fan_outs.put((row.change, row.agent), row.clone()),
            Entry::Misbehaving(row) => self.misbehaving.push(row),
            Entry::Episode(row) => self.episodes.put((row.agent, row.episode), row.clone()),
            Entry::Agent(row) => {
                if let Some(second) = self.second_mut(row.second) {
                    second.push_agent(row);
                }
            }
            Entry::Joined(row) => self.joined.joined(row),
            Entry::Clock(row) => self.joined.clock(row),
            Entry::Cluster(row) => {
                if let Some(second) = self.second_mut(row.second) {
                    second.cluster = Some(Box::new(row.clone()));
                }
            }
            Entry::Membership(row) if row.member => {}
            Entry::Membership(row) => self.lost_replicas.put((row.at_us, row.replica), ()),
            Entry::Fault(row) => self.faults.put(row.id, row.clone()),
            Entry::Scenario(row) => self.scenarios.put((row.phase, row.name.clone()), row.clone()),
            Entry::Finding(row) => self.push_finding(row),
            Entry::Capacity(row) => self.capacity.push(row),
            Entry::End(row) => self.end = Some(row.clone()),
        }
    }

    fn push_phase(&mut self, row: &PhaseRow) {
        let times = self.phases.entry(row.phase).or_default();
        times.name.clone_from(&row.name);
        times.estimated_ms = row.estimated_ms;
        match &row.event {
            PhaseEvent::Started => times.started_us = Some(row.at_us),
            PhaseEvent::Ended => times.ended_us = Some(row.at_us),
            PhaseEvent::Skipped { reason } => times.skipped = Some(reason.clone()),
        }
    }

    fn push_block(&mut self, row: &BlockRow) {
        if row.lost && self.lost_agents.insert(row.agent) {
            self.losses.push((row.phase, format!("agent {} died", row.agent)));
        }
        self.blocks.put((row.agent, row.block), row.clone());
    }

    fn push_finding(&mut self, row: &FindingRow) {
        if row.name == finding::AGENT_LOST && self.losses.len() < 1_000 {
            self.lost_agents.extend(row.agent);
            self.losses.push((row.phase, row.note.clone().unwrap_or_else(|| "an agent died".into())));
        }
        self.findings.put((row.phase, row.name.clone()), row.clone());
    }

    fn push_interval(&mut self, row: &IntervalRow) {
        let judged = self.is_judged(row);
        self.ledger.push(row);
        // The trials of a search are judged as they come: of their many blocks only the sum is kept.
        let is_trial = self.phases.get(&row.phase).is_some_and(|times| times.name == phase::CAPACITY);
        let block = if is_trial { 0 } else { row.block };
        let key = FlowKey { phase: row.phase, block, kind: row.kind };
        if let Some(flow) = self.flows.or_default(key) {
            if judged { flow.judged.push(row) } else { flow.early.push(row) }
        }
        if judged && row.class > 0 && self.is_sustained(row.phase) {
            self.classes.or_default(row.class).into_iter().for_each(|class| class.push(row));
        }
        if let Some(second) = self.second_mut(row.second) {
            second.push_interval(row);
        }
    }

    fn is_sustained(&self, number: u8) -> bool {
        self.phases.get(&number).is_some_and(|times| times.name == phase::SUSTAINED_LOAD)
    }

    fn push_connections(&mut self, row: &ConnectionRow) {
        self.connections.entry(row.phase).or_default().push(row);
        connections::keep_last(&mut self.agents, row);
        if let Some(second) = self.second_mut(row.second) {
            second.push_connections(row);
        }
    }

    fn second_mut(&mut self, second: u32) -> Option<&mut Second> {
        if second >= SECONDS_MAX as u32 && !self.is_looked_at {
            self.seconds.turn_away();
            return None;
        }
        self.view.note(second, &mut self.seconds);
        self.fold_before(second.saturating_sub(WHOLE_S));
        let is_closed = self.view.is_closed(second);
        let found = self.seconds.or_default(second)?;
        found.is_closed |= is_closed;
        Some(found)
    }

    /// Connections open now, as the agents' last rows say.
    pub fn open_now(&self) -> u64 {
        self.agents.iter().filter(|(agent, _)| !self.lost_agents.contains(agent)).map(|(_, last)| last.open).sum()
    }

    /// The lines of the summary that stands after a phase, from what is known now.
    pub fn phase_summary(&self, phase: u8) -> Vec<String> {
        crate::summary::phase_lines(self, phase)
    }

    /// The view model, from what is known now.
    pub fn summary(&self) -> Summary {
        crate::summary::build(self)
    }

    /// Every planned request against its fate.
    pub(crate) fn balance(&self) -> ledger::Balance {
        self.ledger.balance(&self.blocks, &self.lost_agents)
    }

    /// Rows that found no room: with any, the record is larger than can be judged.
    pub(crate) fn turned_away(&self) -> u64 {
        self.ledger.turned_away()
            + self.blocks.turned_away()
            + self.flows.turned_away()
            + self.episodes.turned_away()
            + self.faults.turned_away()
            + self.lost_replicas.turned_away()
            + self.scenarios.turned_away()
            + self.findings.turned_away()
            + self.seconds.turned_away()
            + self.streams.turned_away()
            + self.capacity.turned_away
            + self.classes.turned_away()
            + self.misbehaving.turned_away()
            + self.joined.turned_away()
    }

    /// The number and the times of the phase with this name.
    pub(crate) fn phase_named(&self, name: &str) -> Option<(u8, &PhaseTimes)> {
        self.phases.iter().find(|(_, times)| times.name == name).map(|(phase, times)| (*phase, times))
    }

    /// The same of the first phase, which has a baseline in every plan.
    pub(crate) fn baseline(&self) -> Option<(u8, &PhaseTimes)> {
        self.phase_named(phase::BASELINE).or_else(|| self.phase_named(phase::CONNECTIVITY))
    }

    /// True for the comprehensive suite.
    pub(crate) fn is_suite(&self) -> bool {
        self.header.as_ref().is_some_and(|header| header.command == "comprehensive")
    }

    /// True where a phase was begun and the run ended in it, or before its end: what it did not come to was not tried.
    pub(crate) fn is_cut(&self, phase: u8) -> bool {
        let Some(times) = self.phases.get(&phase).filter(|times| times.started_us.is_some()) else { return false };
        self.cut_phase() == Some(phase) || (self.end.is_some() && times.ended_us.is_none())
    }

    /// The phase in which a run that did not complete was cut: the last that began before the cool-down.
    pub(crate) fn cut_phase(&self) -> Option<u8> {
        self.end.as_ref().filter(|end| end.ended != Ended::Completed)?;
        let is_begun = |times: &PhaseTimes| times.started_us.is_some() && times.name != phase::COOL_DOWN;
        self.phases.iter().filter(|(_, times)| is_begun(times)).map(|(number, _)| *number).next_back()
    }

    /// The value of a finding of a phase: None where it was not written, `Some(None)` where it could not be had.
    pub(crate) fn finding(&self, phase: u8, name: &str) -> Option<&FindingRow> {
        self.findings.get(&(phase, name.to_owned()))
    }

    pub(crate) fn finding_value(&self, phase: u8, name: &str) -> Option<f64> {
        self.finding(phase, name).and_then(|row| row.value)
    }

    /// The requests of a phase that `choose` takes, whole or only their judged part, added up. What an agent that died
    /// left open is in the whole: it ended as unknown.
    pub(crate) fn part(&self, judged_only: bool, choose: impl Fn(&FlowKey) -> bool) -> Part {
        let mut sum = Part::default();
        for (_, flow) in self.flows.iter().filter(|(key, _)| choose(key)) {
            sum.merge(&flow.judged);
            if !judged_only {
                sum.merge(&flow.early);
            }
        }
        if !judged_only {
            self.left_open(choose).into_iter().for_each(|open| sum.push_open(open));
        }
        sum
    }

    /// What agents that died left open of the flows that `choose` takes.
    pub(crate) fn left_open(&self, choose: impl Fn(&FlowKey) -> bool) -> Vec<LeftOpen> {
        if self.lost_agents.is_empty() {
            return Vec::new();
        }
        let all = self.ledger.left_open(&self.blocks, &self.lost_agents);
        all.into_iter().filter(|(key, _)| choose(key)).map(|(_, open)| open).collect()
    }

    /// Load or another kind of a whole phase.
    pub(crate) fn part_of(&self, phase: u8, kind: Kind) -> Part {
        self.part(false, |key| key.phase == phase && key.kind == kind)
    }

    /// The seed of the run, for the bootstraps.
    pub(crate) fn seed(&self) -> u64 {
        self.config.as_ref().map_or(1, |config| config.seed)
    }
}
