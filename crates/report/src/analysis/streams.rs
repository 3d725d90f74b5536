use std::collections::BTreeMap;

use erlmcp_record::{ChangeRow, FanOutRow, Hist, StreamRow};

use super::bounded::{Bounded, add_causes};
use super::flow::merge_hist;
use super::{SECONDS_MAX, Window};

/// A stream that was lost so many seconds before the end may still be on its way back.
const LAST_S: u32 = 3;

/// Streams of notifications and what they told, all rows added up.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) acknowledged: u64,
    pub(crate) reopened: u64,
    pub(crate) ended: u64,
    pub(crate) events: u64,
    /// Changes that were told of more often than they were made, and those that said they were another stream's; of all phases.
    pub(crate) surplus: u64,
    pub(crate) strayed: u64,
    /// A row does not say how many there were.
    pub(crate) are_uncounted: bool,
    pub(crate) keep_alives: u64,
    pub(crate) failed: BTreeMap<String, u64>,
    pub(crate) lost: BTreeMap<String, u64>,
    /// From planned to acknowledged.
    pub(crate) opening: Option<Hist>,
    /// By number.
    pub(crate) changes: Bounded<u32, ChangeRow>,
    /// By the change's number and the agent.
    pub(crate) fan_outs: Bounded<(u32, u32), FanOutRow>,
    /// What was lost and came back, by second, in whichever phase.
    broken: Bounded<u32, Broken>,
    /// Held at the end of a second, by agent.
    held: Bounded<u32, Vec<(u32, u64)>>,
}

/// Held streams that ended, and those that were acknowledged again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Broken {
    /// Cut, or ended by the server.
    pub(crate) lost: u64,
    /// From there to acknowledged again.
    pub(crate) away: Option<Hist>,
}

impl Broken {
    pub(crate) fn back(&self) -> u64 {
        self.away.as_ref().map_or(0, Hist::count)
    }
}

/// What became of all changes.
#[derive(Debug, Default)]
pub(crate) struct FanOut {
    /// Streams times changes: each one should have been told.
    pub(crate) expected: u64,
    pub(crate) missed: u64,
    /// Streams that were lost before they told.
    pub(crate) lost: u64,
    pub(crate) latency: Option<Hist>,
    pub(crate) receive_lag: Option<Hist>,
    /// From each change to the last stream that told of it.
    pub(crate) last: Option<Hist>,
}

impl Streams {
    pub(super) fn new() -> Self {
        Self {
            acknowledged: 0,
            reopened: 0,
            ended: 0,
            events: 0,
            surplus: 0,
            strayed: 0,
            are_uncounted: false,
            keep_alives: 0,
            failed: BTreeMap::new(),
            lost: BTreeMap::new(),
            opening: None,
            changes: Bounded::new(1_000_000),
            fan_outs: Bounded::new(100_000),
            broken: Bounded::new(SECONDS_MAX),
            held: Bounded::new(SECONDS_MAX),
        }
    }

    /// `of_faults`: they were broken on purpose meanwhile, which says nothing of how they were held.
    pub(super) fn push(&mut self, row: &StreamRow, of_faults: bool) {
        let lost = row.ended + row.lost.values().sum::<u64>();
        if (lost > 0 || row.away.is_some())
            && let Some(broken) = self.broken.or_default(row.second)
        {
            broken.lost += lost;
            merge_hist(&mut broken.away, row.away.as_ref());
        }
        self.surplus += row.surplus.unwrap_or(0);
        self.strayed += row.strayed.unwrap_or(0);
        self.are_uncounted |= row.surplus.is_none() || row.strayed.is_none();
        if of_faults {
            return;
        }
        self.acknowledged += row.acknowledged;
        self.reopened += row.reopened;
        self.ended += row.ended;
        self.events += row.events;
        self.keep_alives += row.keep_alives;
        add_causes(&mut self.failed, &row.failed);
        add_causes(&mut self.lost, &row.lost);
        merge_hist(&mut self.opening, row.opening.as_ref());
        if let Some(held) = self.held.or_default(row.second) {
            held.retain(|(agent, _)| *agent != row.agent);
            held.push((row.agent, row.held));
        }
    }

    pub(super) fn turned_away(&self) -> u64 {
        let maps = [self.changes.turned_away(), self.fan_outs.turned_away(), self.held.turned_away()];
        maps.iter().sum::<u64>() + self.broken.turned_away()
    }

    /// True where nothing is recorded of any.
    pub(crate) fn are_absent(&self) -> bool {
        self.held.is_empty() && self.changes.is_empty()
    }

    /// What was lost, and what came back, in the seconds from the first of these on, the last one included.
    pub(crate) fn broken(&self, (from, to): (u32, u32)) -> Broken {
        let mut all = Broken::default();
        for (_, broken) in self.broken.range(from..=to.max(from)) {
            all.lost += broken.lost;
            merge_hist(&mut all.away, broken.away.as_ref());
        }
        all
    }

    /// Of those that were lost in these seconds, the ones that have not come back: the fewest that were away at once in the last of them,
    /// since a target may end streams at any time.
    pub(crate) fn gone(&self, (from, to): (u32, u32)) -> u64 {
        let last = to.saturating_sub(LAST_S).max(from)..=to.max(from);
        let away = last.map(|second| self.broken((from, second))).map(|all| all.lost.saturating_sub(all.back()));
        away.min().unwrap_or(0)
    }

    /// The fewest that were held in a second of a window in which every agent that has any told.
    pub(crate) fn held_min(&self, window: Window) -> Option<u64> {
        let agents = self.held.values().map(Vec::len).max()?;
        let whole = self.held.range(window.from..window.to).filter(|(_, held)| held.len() == agents);
        whole.map(|(_, held)| held.iter().map(|(_, held)| held).sum()).min()
    }

    pub(crate) fn fan_out(&self) -> FanOut {
        let mut all = FanOut::default();
        for (number, change) in self.changes.iter().filter(|(_, change)| change.failed.is_none()) {
            let mut last_us = None;
            for (_, row) in self.fan_outs.range((*number, 0)..=(*number, u32::MAX)) {
                all.expected += row.streams;
                all.missed += row.missed;
                all.lost += row.lost;
                merge_hist(&mut all.latency, row.latency.as_ref());
                merge_hist(&mut all.receive_lag, row.receive_lag.as_ref());
                last_us = last_us.max(row.last_us);
            }
            if let Some(last_us) = last_us {
                all.last.get_or_insert_with(Hist::new).record_us(last_us.saturating_sub(change.at_us));
            }
        }
        all
    }
}
