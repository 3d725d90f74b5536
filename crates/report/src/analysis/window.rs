use std::collections::BTreeMap;

use erlmcp_record::names::phase;
use erlmcp_record::{IntervalRow, Kind};

use super::{Analysis, KindSecond, Second};

pub(crate) const US_A_SECOND: u64 = 1_000_000;
/// An agent that says nothing for longer may have any number of connections.
const SILENCE_MAX: u32 = 3;

/// Whole seconds of the run's clock: `from` and those up to, not with, `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from: u32,
    pub(crate) to: u32,
}

impl Window {
    /// The whole seconds between two times; None where there is none.
    pub(crate) fn between(start_us: u64, end_us: u64) -> Option<Self> {
        let from = u32::try_from(start_us.div_ceil(US_A_SECOND)).ok()?;
        let to = u32::try_from(end_us / US_A_SECOND).ok()?;
        (from < to).then_some(Self { from, to })
    }

    /// The seconds that the time between two touches; None where there is none.
    pub(crate) fn touched(start_us: u64, end_us: u64) -> Option<Self> {
        Self::between(start_us / US_A_SECOND * US_A_SECOND, end_us.div_ceil(US_A_SECOND) * US_A_SECOND)
    }

    pub(crate) fn seconds(self) -> u64 {
        u64::from(self.to - self.from)
    }

    pub(crate) fn contains(self, second: u32) -> bool {
        (self.from..self.to).contains(&second)
    }
}

impl Analysis {
    /// The warm-up of a load, as the run settled on it.
    pub(crate) fn warmup_us(&self) -> u64 {
        self.config.as_ref().map_or(0, |config| config.warmup_ms.saturating_mul(1_000))
    }

    /// The whole seconds of a load after its warm-up.
    fn judged_window(&self, start_us: u64, end_us: u64) -> Option<Window> {
        Window::between(start_us.saturating_add(self.warmup_us()), end_us)
    }

    /// True for the load of whole seconds after the warm-up of its block.
    pub(super) fn is_judged(&self, row: &IntervalRow) -> bool {
        let Some(block) = self.blocks.get(&(row.agent, row.block)) else { return false };
        row.kind == Kind::Load
            && self
                .judged_window(block.start_us, block.start_us.saturating_add(block.duration_us))
                .is_some_and(|window| window.contains(row.second))
    }

    /// The window that the five SLAs judge: whole seconds of sustained load, after the warm-up.
    pub(crate) fn sustained_window(&self) -> Option<Window> {
        let (number, _) = self.phase_named(phase::SUSTAINED_LOAD)?;
        let (start_us, end_us) = self.load_planned(number)?;
        self.loaded(start_us.saturating_add(self.warmup_us()), end_us, number)
    }

    /// The whole seconds from the first to the last load that was planned in a phase, without a warm-up.
    pub(crate) fn load_window(&self, number: u8) -> Option<Window> {
        let (start_us, end_us) = self.load_planned(number)?;
        self.loaded(start_us, end_us, number)
    }

    /// When the first load of a phase was to begin, and the last one to end.
    fn load_planned(&self, number: u8) -> Option<(u64, u64)> {
        let loads = || self.blocks.values().filter(|row| row.phase == number && row.kind == Kind::Load);
        let start_us = loads().map(|row| row.start_us).min()?;
        Some((start_us, loads().map(|row| row.start_us.saturating_add(row.duration_us)).max()?))
    }

    /// The whole seconds of a phase between two times: all, where its load lasted as long as it was to, those without an
    /// arrival among them. One that ended early did so within its last second, which is then no whole one.
    fn loaded(&self, start_us: u64, end_us: u64, number: u8) -> Option<Window> {
        let ended_us = self.phases.get(&number)?.ended_us;
        if ended_us.is_some_and(|ended_us| ended_us >= end_us) && !self.is_cut(number) {
            return Window::between(start_us, end_us);
        }
        let window = Window::between(start_us, end_us.min(ended_us.unwrap_or(u64::MAX)).min(self.end_us()))?;
        let planned = |second: &u32| {
            self.seconds.get(second).and_then(|second| second.kind(Kind::Load)).is_some_and(|load| load.planned > 0)
        };
        let last = (window.from..window.to).rev().find(planned)?;
        let to = if last + 1 < window.to { last } else { window.to };
        (window.from < to).then_some(Window { from: window.from, to })
    }

    fn end_us(&self) -> u64 {
        self.end.as_ref().map_or(u64::MAX, |end| end.at_us)
    }

    /// The seconds of a window, those without a row left out.
    pub(crate) fn seconds_in(&self, window: Window) -> impl Iterator<Item = (u32, &Second)> {
        self.seconds.range(window.from..window.to).map(|(second, found)| (*second, found))
    }

    /// The load of each second of a window; one without load is an empty one.
    pub(crate) fn load_seconds(&self, window: Window) -> Vec<Option<&KindSecond>> {
        let of = |second| self.seconds.get(&second).and_then(|found| found.kind(Kind::Load));
        (window.from..window.to).map(of).collect()
    }

    /// The longest that one agent waited for a core in the seconds that a time touches, milliseconds.
    pub(crate) fn waited_for_a_core_ms(&self, start_us: u64, end_us: u64) -> f64 {
        let second = |us: u64| u32::try_from(us / US_A_SECOND).unwrap_or(u32::MAX);
        let mut by_agent: BTreeMap<u32, u64> = BTreeMap::new();
        for (_, second) in self.seconds.range(second(start_us)..=second(end_us)) {
            for sample in &second.agents {
                *by_agent.entry(sample.agent).or_default() += sample.run_delay_us;
            }
        }
        by_agent.into_values().max().unwrap_or(0) as f64 / 1_000.0
    }

    /// The most connections that were being opened again at the end of any second of a window, after the target had closed
    /// them in order.
    pub(crate) fn most_renewing(&self, window: Window) -> u64 {
        let of = |second: &Second| second.renewing.iter().map(|(_, count)| count).sum::<u64>();
        self.seconds_in(window).map(|(_, second)| of(second)).max().unwrap_or(0)
    }

    /// The fewest connections that were open in any second of a window, as the agents count; and in how many of its seconds
    /// that is not known.
    pub(crate) fn fewest_open(&self, window: Window) -> (Option<u64>, u64) {
        let open = self.open_by_second();
        let (mut fewest, mut unknown) = (None, 0);
        for second in window.from..window.to {
            match open.range(..=second).next_back() {
                Some((seen, Some(count))) if second - seen <= SILENCE_MAX => {
                    fewest = Some(fewest.map_or(*count, |least: u64| least.min(*count)));
                }
                _ => unknown += 1,
            }
        }
        (fewest, unknown)
    }

    /// Open connections at the end of each second that has rows, as the agents count: an agent that is silent in a
    /// second still has what it last had. None for a second after an agent was silent for more than 3 s.
    fn open_by_second(&self) -> BTreeMap<u32, Option<u64>> {
        let mut last: BTreeMap<u32, (u32, u64)> = BTreeMap::new();
        let mut found = BTreeMap::new();
        for (&number, second) in self.seconds.iter() {
            for &(agent, open) in &second.open {
                last.insert(agent, (number, open));
            }
            let known = last.values().all(|(seen, open)| *open == 0 || number - seen <= SILENCE_MAX);
            let sum = last.values().map(|(_, open)| open).sum();
            found.insert(number, (known && !last.is_empty()).then_some(sum));
        }
        found
    }
}
