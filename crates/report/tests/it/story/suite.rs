//! The comprehensive suite, its first four phases: the others are left out.

use erlmcp_record::names::{detail, finding, phase, scenario};
use erlmcp_record::{Entry, Fate, Kind, PhaseEvent, ScenarioRow};

use super::rows::{self, Block, SECOND_US};
use super::{AGENTS, CONNECTIONS, REPLICAS, Story};

/// Each load of a scenario lasts so long.
const LOAD_S: u32 = 5;

/// A scenario, as it is told to be.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) row: ScenarioRow,
    /// One for each of its blocks.
    pub(crate) loads: Vec<SceneLoad>,
}

/// One block of load, each second alike, both agents together.
#[derive(Debug, Clone)]
pub(crate) struct SceneLoad {
    pub(crate) ok: u64,
    pub(crate) others: Vec<(Fate, u64)>,
    pub(crate) us: u64,
    pub(crate) send_lag_us: u64,
}

impl SceneLoad {
    fn of(ok: u64) -> Self {
        Self { ok, others: Vec::new(), us: 1_000, send_lag_us: 100 }
    }
}

impl Story {
    /// The suite, in which all goes well where nothing else is said.
    pub(crate) fn comprehensive(change: impl Fn(&mut Scene) + 'static) -> Self {
        let mut story = Self { scenes: Some(Box::new(change)), ..Self::short() };
        story.config.phases = phase::SUITE.iter().chain(&[phase::COOL_DOWN]).map(ToString::to_string).collect();
        story
    }

    pub(super) fn suite(&self, change: &dyn Fn(&mut Scene)) {
        self.connectivity(change);
        self.scaling(change);
        let end = self.sustained();
        let end = self.distribution(change, end);
        for number in 5..=8 {
            let event = PhaseEvent::Skipped { reason: "left out by --phases".into() };
            self.push(rows::phase(
                number,
                phase::SUITE[usize::from(number) - 1],
                event,
                u64::from(end) * SECOND_US,
                30_000,
            ));
        }
        self.cool_down(end);
    }

    fn connectivity(&self, change: &dyn Fn(&mut Scene)) {
        self.started(1, 0, 1);
        self.push(rows::finding(1, finding::TARGET_REACHABLE, Some(1.0), Some("by GET /health")));
        self.push(rows::finding(1, finding::DNS_MS, Some(0.3), None));
        self.push(rows::finding(1, finding::COLD_MEDIAN_MS, Some(0.9), Some("60 knocks at 3 endpoints")));
        for replica in 1..=REPLICAS {
            let mut row = rows::scenario(1, &format!("{}{replica}", scenario::ENDPOINT), (0, 1), &[]);
            let figures = [
                (detail::KNOCKS, 20.0),
                (detail::ANSWERED, 20.0),
                (detail::CONNECT_MS, 0.1),
                (detail::ANSWER_MS, 0.8),
                (detail::COLD_MS, 0.9),
                (detail::HEALTH_STATUS, 200.0),
                (detail::METRICS_STATUS, 200.0),
            ];
            row.detail = figures.iter().map(|(name, value)| (name.to_string(), *value)).collect();
            self.scene(change, row, &[], 0);
        }
        let block = Block { agent: 1, phase: 1, block: 10_000, kind: Kind::Sequential };
        self.push(block.row(100, 0, 0));
        let mut row = block.interval(0, rows::fates(&[(Fate::Ok, 100)]));
        row.latency = Some(self.hist(&[(700, 60), (900, 40)]));
        self.push(Entry::Interval(row));
        self.second(1, 0, 0);
        self.ended(1, 1);
    }

    /// 1,000 connections, then all of them: a second of ramp and five of load each.
    fn scaling(&self, change: &dyn Fn(&mut Scene)) {
        self.started(2, 1, 13);
        for (at, (connections, more, from)) in
            [(1_000, 1_000, 1), (CONNECTIONS, CONNECTIONS - 1_000, 7)].into_iter().enumerate()
        {
            let (ramp, load) = (20_000 + 32 * at as u32, 20_016 + 32 * at as u32);
            self.second(2, from, connections);
            for agent in AGENTS {
                let block = Block { agent, phase: 2, block: ramp, kind: Kind::Probe };
                self.push(block.row(more / 2, from, 0));
                let mut row = block.interval(from, rows::fates(&[(Fate::Ok, more / 2)]));
                row.latency = Some(self.hist(&[(4_000, more / 2)]));
                self.push(Entry::Interval(row));
            }
            let mut row =
                rows::scenario(2, &format!("{}{connections}", scenario::SCALE_RAMP), (from, from + 1), &[ramp]);
            row.detail.insert(detail::RAMP_MS.into(), 900.0);
            self.scene(change, row, &[], 0);
            let name = format!("{}{connections}", scenario::SCALE_LOAD);
            let row = rows::scenario(2, &name, (from, from + LOAD_S + 1), &[load]);
            self.scene(change, row, &[SceneLoad::of(12_000)], connections);
        }
        self.ended(2, 14);
    }

    fn distribution(&self, change: &dyn Fn(&mut Scene), from: u32) -> u32 {
        self.started(4, from, 40);
        let mut at = from;
        let mut block = 40_000;
        let mut next = |name: &str, loads: &[SceneLoad]| {
            let blocks: Vec<u32> = (0..loads.len() as u32).map(|index| block + index).collect();
            let seconds = LOAD_S * loads.len() as u32 + 1;
            self.scene(change, rows::scenario(4, name, (at, at + seconds), &blocks), loads, CONNECTIONS);
            at += seconds;
            block += 16;
        };
        let mut sweep = [6_000, 12_000, 24_000].map(SceneLoad::of).to_vec();
        // The last one is not kept.
        sweep.push(SceneLoad { us: 400_000, ..SceneLoad::of(40_000) });
        next(scenario::RATE_SWEEP, &sweep);
        next(scenario::PERCENTILES, &[SceneLoad::of(12_000)]);
        let usual = format!("{}usual", scenario::METHOD);
        let large = format!("{}1000000", scenario::ANSWER);
        let (modern, legacy) = (format!("{}modern", scenario::ERA), format!("{}legacy", scenario::ERA));
        for name in [&usual, &large, scenario::AS_JSON, scenario::AS_SSE, &modern, &legacy] {
            let us = if name == large || name == scenario::AS_SSE { 2_000 } else { 1_000 };
            next(name, &[SceneLoad { us, ..SceneLoad::of(3_000) }]);
        }
        self.ended(4, at);
        at
    }

    /// The scenario as it was changed, and five seconds of each of its loads.
    fn scene(&self, change: &dyn Fn(&mut Scene), row: ScenarioRow, loads: &[SceneLoad], open: u64) {
        let mut scene = Scene { row, loads: loads.to_vec() };
        change(&mut scene);
        let Scene { row, loads } = scene;
        // Whole seconds, as many for each.
        let mut from = (row.started_us / SECOND_US) as u32 + 1;
        for (block, load) in row.blocks.iter().zip(&loads) {
            for second in from..from + LOAD_S {
                self.second(row.phase, second, open);
            }
            for agent in AGENTS {
                let its = Block { agent, phase: row.phase, block: *block, kind: Kind::Load };
                self.scene_load(its, from, load);
            }
            from += LOAD_S;
        }
        self.push(Entry::Scenario(row));
    }

    fn scene_load(&self, block: Block, from: u32, load: &SceneLoad) {
        let mut counts = vec![(Fate::Ok, load.ok / 2)];
        if block.agent == AGENTS[0] {
            counts.extend(&load.others);
        }
        let fates = rows::fates(&counts);
        let Entry::Block(mut row) = block.row(fates.total() * u64::from(LOAD_S), from, LOAD_S) else {
            unreachable!("a block's row")
        };
        row.rate = load.ok as f64 / 2.0;
        self.push(Entry::Block(row));
        for second in from..from + LOAD_S {
            let mut row = block.interval(second, fates);
            // A few in a hundred are slower.
            let slow = load.ok / 100;
            let latency = [(load.us, load.ok / 2 - slow), (load.us * 2, slow)];
            row.latency = Some(self.hist(&latency));
            row.service = Some(self.hist(&latency));
            row.send_lag = Some(self.hist(&[(load.send_lag_us, load.ok / 2)]));
            self.push(Entry::Interval(row));
        }
    }
}
