//! Records of runs that never were: whole journals, row by row, with one thing or another gone wrong.

mod faults;
mod performance;
pub(crate) mod rows;
mod suite;

use std::cell::RefCell;
use std::collections::BTreeMap;

use erlmcp_record::names::{finding, phase};
use erlmcp_record::{
    AgentSample, ClusterSample, ConfigRow, EndRow, Ended, Entry, Fate, Hist, Kind, Machine, PhaseEvent, RECORD_VERSION,
    RunHeader, TargetRow, Threshold,
};
use erlmcp_report::{Analysis, Summary};

use rows::{Block, SECOND_US};
pub(crate) use suite::Scene;

/// The second of the run in which the sustained load starts.
pub(crate) const LOAD_FROM: u32 = 10;
pub(crate) const AGENTS: [u32; 2] = [1, 2];
const REPLICAS: u16 = 3;
const CONNECTIONS: u64 = 3_000;

/// One second of the sustained load, both agents together.
#[derive(Debug, Clone)]
pub(crate) struct LoadSecond {
    pub(crate) ok: u64,
    /// Requests that did not end ok; agent 1 has them all, in the first slots.
    pub(crate) others: Vec<(Fate, u64)>,
    /// What those took that were ok: microseconds, and how many of them; the rest took [`OK_US`].
    pub(crate) slow: Vec<(u64, u64)>,
    pub(crate) send_lag_us: u64,
    pub(crate) receive_lag_us: u64,
    /// What both agents have open at its end.
    pub(crate) open: u64,
}

pub(crate) const OK_US: u64 = 5_000;

type Change<T> = Box<dyn Fn(u32, &mut T)>;
type SceneChange = Box<dyn Fn(&mut Scene)>;

/// What happens in a run. Everything goes well where nothing else is said.
pub(crate) struct Story {
    pub(crate) config: ConfigRow,
    /// Load a second.
    pub(crate) rate: u64,
    pub(crate) seconds: u32,
    /// Recovery and performance phases too.
    pub(crate) has_scenarios: bool,
    /// A server of which nothing is known but its answers.
    pub(crate) is_foreign: bool,
    /// The sustained load is cut after so many seconds, and what follows is left out.
    pub(crate) interrupted_after: Option<u32>,
    /// Changes the n-th second of the sustained load.
    pub(crate) load: Change<LoadSecond>,
    /// Changes the server's sample of a second of the run.
    pub(crate) sample: Change<ClusterSample>,
    /// It is the comprehensive suite: changes each of its scenarios.
    pub(crate) scenes: Option<SceneChange>,
    rows: RefCell<Vec<Entry>>,
    hists: RefCell<BTreeMap<Vec<(u64, u64)>, Hist>>,
}

impl Story {
    /// A run of all six phases in which all goes well.
    pub(crate) fn whole() -> Self {
        Self::of(12_000, 620, true)
    }

    /// Baseline, ramp, sustained load and cool-down only; 60 s of load are judged.
    pub(crate) fn short() -> Self {
        Self::of(12_000, 70, false)
    }

    fn of(rate: u64, seconds: u32, has_scenarios: bool) -> Self {
        Self {
            config: config(rate, seconds),
            rate,
            seconds,
            has_scenarios,
            is_foreign: false,
            interrupted_after: None,
            load: Box::new(|_, _| {}),
            sample: Box::new(|_, _| {}),
            scenes: None,
            rows: RefCell::default(),
            hists: RefCell::default(),
        }
    }

    /// Offers so many requests a second.
    pub(crate) fn at_rate(mut self, rate: u64) -> Self {
        self.rate = rate;
        self.config.rate = rate as f64;
        self
    }

    pub(crate) fn with_load(mut self, change: impl Fn(u32, &mut LoadSecond) + 'static) -> Self {
        self.load = Box::new(change);
        self
    }

    pub(crate) fn with_sample(mut self, change: impl Fn(u32, &mut ClusterSample) + 'static) -> Self {
        self.sample = Box::new(change);
        self
    }

    /// A changed threshold.
    pub(crate) fn with_threshold(mut self, id: &str, value: f64) -> Self {
        self.config.thresholds.insert(id.into(), Threshold { value, changed: true });
        self
    }

    pub(crate) fn summary(&self) -> Summary {
        analysis(&self.rows()).summary()
    }

    /// All rows of its journal.
    pub(crate) fn rows(&self) -> Vec<Entry> {
        self.rows.borrow_mut().clear();
        self.opening();
        if let Some(change) = &self.scenes {
            self.suite(change);
            return self.rows.take();
        }
        self.baseline();
        self.ramp();
        let load_end = self.sustained();
        let end = match (self.has_scenarios, self.is_foreign, self.interrupted_after) {
            (true, false, None) => self.performance(self.faults(load_end)),
            (_, _, Some(_)) => self.skip_scenarios(load_end, "interrupted"),
            (true, true, None) => self.skip_scenarios(load_end, "the target is not a cluster that can be broken"),
            (false, _, None) => self.skip_scenarios(load_end, "left out by --phases"),
        };
        self.cool_down(end);
        self.rows.take()
    }

    fn push(&self, row: Entry) {
        self.rows.borrow_mut().push(row);
    }

    fn started(&self, number: u8, at_s: u32, estimated_s: u32) {
        let name = self.name(number);
        let at_us = u64::from(at_s) * SECOND_US;
        self.push(rows::phase(number, name, PhaseEvent::Started, at_us, u64::from(estimated_s) * 1_000));
    }

    fn name(&self, number: u8) -> &str {
        &self.config.phases[usize::from(number) - 1]
    }

    fn ended(&self, number: u8, at_s: u32) {
        let name = self.name(number);
        let of_it = |row: &Entry| match row {
            Entry::Phase(row) if row.phase == number => Some(row.estimated_ms),
            _ => None,
        };
        let estimated_ms = self.rows.borrow().iter().find_map(of_it).expect("a phase starts before it ends");
        self.push(rows::phase(number, name, PhaseEvent::Ended, u64::from(at_s) * SECOND_US, estimated_ms));
    }

    fn skip_scenarios(&self, at_s: u32, reason: &str) -> u32 {
        for number in [4, 5] {
            let event = PhaseEvent::Skipped { reason: reason.into() };
            self.push(rows::phase(
                number,
                phase::STRESS[usize::from(number) - 1],
                event,
                u64::from(at_s) * SECOND_US,
                30_000,
            ));
        }
        at_s
    }

    fn hist(&self, values: &[(u64, u64)]) -> Hist {
        self.hists.borrow_mut().entry(values.to_vec()).or_insert_with(|| rows::hist(values)).clone()
    }

    /// Before it the suite has its load scaling.
    fn load_from(&self) -> u32 {
        if self.scenes.is_some() { 16 } else { LOAD_FROM }
    }

    /// The server's second, the agents' own, and their connections.
    fn second(&self, phase: u8, second: u32, open: u64) {
        let mut sample = rows::sample(second, open, REPLICAS);
        if self.is_foreign {
            sample = ClusterSample { missing: Some("the target has no /metrics".into()), ..Default::default() };
            sample.second = second;
            sample.at_us = u64::from(second) * SECOND_US + 500_000;
        }
        (self.sample)(second, &mut sample);
        self.push(Entry::Cluster(sample));
        for agent in AGENTS {
            let its = open / 2 + u64::from(agent == 1) * (open % 2);
            if open > 0 {
                self.push(Entry::Connections(rows::connections(agent, phase, second, its, REPLICAS)));
            }
            self.push(Entry::Agent(AgentSample {
                agent,
                second,
                cpu_us: 400_000,
                run_delay_us: 20_000,
                rss_bytes: 90_000_000,
                descriptors: its + 12,
                descriptors_limit: 20_000,
                longest_stall_us: 3_000,
                operation_connections: Vec::new(),
                answering_connections: 0,
            }));
        }
    }

    fn opening(&self) {
        self.push(Entry::Run(match self.scenes {
            None => header(),
            Some(_) => RunHeader { command: "comprehensive".into(), ..header() },
        }));
        self.push(Entry::Config(ConfigRow {
            own_cluster: !self.is_foreign,
            duration_ms: u64::from(self.seconds) * 1_000,
            ..self.config.clone()
        }));
        let figures = if self.is_foreign { "none: the target has no /metrics" } else { "erlmcp cluster" };
        self.push(Entry::Target(TargetRow {
            server: Some("erlmcp-server 0.1.0".into()),
            era: "modern".into(),
            versions: vec!["2026-07-28".into()],
            endpoints: (1..=REPLICAS).map(|replica| (replica, format!("127.0.0.{}:8080", 10 + replica))).collect(),
            tools: vec!["echo".into(), "work".into()],
            server_figures: figures.into(),
            proxied: None,
        }));
    }

    fn baseline(&self) {
        self.started(1, 0, 4);
        let not_told = self.is_foreign.then_some("not reported");
        let told = |value: f64| (!self.is_foreign).then_some(value);
        self.push(rows::finding(1, finding::TARGET_REACHABLE, Some(1.0), Some("by GET /health")));
        self.push(rows::finding(1, finding::HEALTH_MS, Some(0.9), None));
        self.push(rows::finding(1, finding::COLD_REQUEST_MS, Some(2.4), None));
        self.push(rows::finding(1, finding::WORKERS_ACTIVE, told(0.0), not_told));
        self.push(rows::finding(1, finding::WORKERS_SIZE, told(48.0), not_told));
        self.push(rows::finding(1, finding::AGENTS_READY, Some(2.0), None));
        self.push(rows::finding(1, finding::CONNECTIONS_POSSIBLE, Some(38_000.0), None));
        let note = self.is_foreign.then_some("the target has no /metrics");
        self.push(rows::finding(1, finding::COLLECTOR_SAMPLE, Some(f64::from(u8::from(!self.is_foreign))), note));
        let block = Block { agent: 1, phase: 1, block: 10_000, kind: Kind::Sequential };
        self.push(block.row(100, 1, 0));
        let mut row = block.interval(1, rows::fates(&[(Fate::Ok, 100)]));
        row.latency = Some(self.hist(&[(700, 60), (900, 40)]));
        self.push(Entry::Interval(row));
        (0..4).for_each(|second| self.second(1, second, 0));
        self.ended(1, 4);
    }

    /// Three seconds from the fourth on, both agents alike.
    fn ramp(&self) {
        self.started(2, 4, 3);
        for agent in AGENTS {
            let block = Block { agent, phase: 2, block: 20_000, kind: Kind::Probe };
            self.push(block.row(CONNECTIONS / 2, 4, 0));
        }
        for second in 4..7 {
            let open = CONNECTIONS / 3 * u64::from(second - 3);
            self.second(2, second, open);
            for agent in AGENTS {
                let block = Block { agent, phase: 2, block: 20_000, kind: Kind::Probe };
                self.push(Entry::Interval(block.interval(second, rows::fates(&[(Fate::Ok, CONNECTIONS / 6)]))));
                let mut row = rows::connections(agent, 2, second, open / 2, REPLICAS);
                row.planned = CONNECTIONS / 6;
                row.started = CONNECTIONS / 6;
                row.opened = CONNECTIONS / 6;
                row.late = Some(self.hist(&[(4_000, CONNECTIONS / 6)]));
                row.established = Some(self.hist(&[(300, CONNECTIONS / 6)]));
                row.first_answer = Some(self.hist(&[(1_500, CONNECTIONS / 6)]));
                self.push(Entry::Connections(row));
            }
        }
        self.push(rows::finding(2, finding::RAMP_MS, Some(2_950.0), None));
        self.ended(2, 7);
    }

    /// The load, then the closing sweep; the second in which the phase ended.
    fn sustained(&self) -> u32 {
        let load_from = self.load_from();
        self.started(3, load_from - 2, self.seconds + 3);
        let seconds = self.interrupted_after.unwrap_or(self.seconds);
        let of = |agent: u32, kind: Kind, block: u32| Block { agent, phase: 3, block, kind };
        let mut planned = BTreeMap::new();
        let load_rows = self.rows.borrow().len();
        for at in 0..seconds {
            let mut load = LoadSecond {
                ok: self.rate,
                others: Vec::new(),
                slow: Vec::new(),
                send_lag_us: 200,
                receive_lag_us: 150,
                open: CONNECTIONS,
            };
            (self.load)(at, &mut load);
            self.second(3, load_from + at, load.open);
            for agent in AGENTS {
                let row = self.load_row(of(agent, Kind::Load, 30_000), load_from + at, &load);
                *planned.entry(agent).or_insert(0) += row.planned;
                self.push(Entry::Interval(row));
            }
        }
        for agent in AGENTS {
            let row = of(agent, Kind::Load, 30_000).row(planned[&agent], load_from, self.seconds);
            self.rows.borrow_mut().insert(load_rows, row);
        }
        let end = load_from + seconds;
        if self.interrupted_after.is_none() {
            for agent in AGENTS {
                let block = of(agent, Kind::Sweep, 30_001);
                self.push(block.row(CONNECTIONS / 2, end, 1));
                self.push(Entry::Interval(block.interval(end, rows::fates(&[(Fate::Ok, CONNECTIONS / 2)]))));
            }
        }
        self.second(3, end, CONNECTIONS);
        self.ended(3, end + 1);
        end + 1
    }

    fn load_row(&self, block: Block, second: u32, load: &LoadSecond) -> erlmcp_record::IntervalRow {
        let is_first = block.agent == 1;
        let others: u64 = load.others.iter().map(|other| other.1).sum();
        // Half of all for each agent, where agent 1 has room for all that did not end ok.
        let ok_of_first = ((load.ok + others).div_ceil(2)).saturating_sub(others);
        let ok = if is_first { ok_of_first } else { load.ok - ok_of_first };
        let mut counts = vec![(Fate::Ok, ok)];
        let mut latency: Vec<(u64, u64)> = Vec::new();
        let mut row_causes = BTreeMap::new();
        if is_first {
            counts.extend(&load.others);
            latency.extend(&load.slow);
            row_causes.extend(load.others.iter().map(|(fate, count)| (format!("by {}", fate.name()), *count)));
        }
        let slow: u64 = latency.iter().map(|slow| slow.1).sum();
        latency.push((OK_US, ok - slow));
        let mut row = block.interval(second, rows::fates(&counts));
        row.causes = row_causes;
        row.latency = Some(self.hist(&latency));
        row.service = Some(self.hist(&[(OK_US - 500, ok)]));
        row.send_lag = Some(self.hist(&[(load.send_lag_us, ok)]));
        row.receive_lag = Some(self.hist(&[(load.receive_lag_us, ok)]));
        row
    }

    fn cool_down(&self, from: u32) {
        let number = self.config.phases.len() as u8;
        self.started(number, from, 5);
        for agent in AGENTS {
            let mut row = rows::connections(agent, number, from + 1, 0, REPLICAS);
            row.closed = CONNECTIONS / 2;
            self.push(Entry::Connections(row));
        }
        self.second(number, from + 1, 0);
        let (gauge, note) = match self.is_foreign {
            true => (None, Some("the server has no gauge of its connections")),
            false => (Some(0.0), None),
        };
        self.push(rows::finding(number, finding::CONNECTIONS_CLOSED, Some(CONNECTIONS as f64), None));
        self.push(rows::finding(number, finding::CLOSING_GAUGE, gauge, note));
        self.push(rows::finding(number, finding::LEFTOVER_PROCESSES, Some(0.0), None));
        self.push(rows::finding(number, finding::LEFTOVER_FAULTS, Some(0.0), None));
        self.ended(number, from + 2);
        let ended = if self.interrupted_after.is_some() { Ended::Interrupted } else { Ended::Completed };
        self.push(Entry::End(EndRow { at_us: u64::from(from + 2) * SECOND_US, ended }));
    }
}

/// Folds rows.
pub(crate) fn analysis(rows: &[Entry]) -> Analysis {
    let mut analysis = Analysis::new();
    rows.iter().for_each(|row| analysis.push(row));
    analysis
}

pub(crate) fn header() -> RunHeader {
    RunHeader {
        record_version: RECORD_VERSION,
        run_id: "stress-test-20261125-120000".into(),
        version: "0.1.0".into(),
        command: "stress".into(),
        command_line: vec!["erlmcp".into(), "stress".into(), "-c".into(), "3000".into()],
        started_at: "2026-11-25T12:00:00+01:00".into(),
        monotonic_base_ns: 1_000_000_000,
        machine: Machine {
            cpu: "A made-up CPU".into(),
            cores: 2,
            memory_bytes: 8 << 30,
            kernel: "6.1.0".into(),
            descriptors: 20_000,
        },
    }
}

fn config(rate: u64, seconds: u32) -> ConfigRow {
    ConfigRow {
        target: "http://127.0.0.1:8080/mcp".into(),
        own_cluster: true,
        attached: false,
        colocated: true,
        connections: CONNECTIONS,
        streams: 0,
        duration_ms: u64::from(seconds) * 1_000,
        rate: rate as f64,
        arrivals: "constant".into(),
        ramp_rate: 1_000.0,
        warmup_ms: 10_000,
        timeout_ms: 5_000,
        replicas: u32::from(REPLICAS),
        agents: AGENTS.len() as u32,
        era: "modern".into(),
        calls: "tools/call echo".into(),
        workload: None,
        queued_calls: Some("tools/call work".into()),
        seed: 7,
        phases: phase::STRESS.iter().map(|name| name.to_string()).collect(),
        failure_scenarios: 3,
        performance_scenarios: 4,
        spread: "round robin".into(),
        close: "reset".into(),
        require_all: false,
        thresholds: BTreeMap::new(),
        asserts: None,
    }
}
