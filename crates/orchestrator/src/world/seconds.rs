use std::collections::BTreeMap;

use erlmcp_record::{Fate, FateCounts, Hist, IntervalRow, Kind};

/// Seconds that are kept.
const KEPT: usize = 120;
/// Rows of a second may come so many seconds after it.
const LATE: u32 = 2;

/// The load of the last two minutes, second by second.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seconds {
    by_second: BTreeMap<u32, LoadSecond>,
}

/// One second of load, all agents together.
#[derive(Debug, Clone, Default)]
pub(crate) struct LoadSecond {
    /// Of load and openings; `planned` has those that are still under way too.
    pub(crate) planned: u64,
    pub(crate) fates: FateCounts,
    /// Of the load only.
    pub(crate) latency: Hist,
    /// Refusals, of queued work too, retried ones included.
    pub(crate) refusals: u64,
}

impl LoadSecond {
    /// The quantile of all that was planned, microseconds: what has not ended is slower than what has. None: there was no load,
    /// or too much of it is still under way.
    pub(crate) fn quantile_us(&self, quantile: f64) -> Option<u64> {
        let open = self.planned.saturating_sub(self.fates.total());
        let ended = self.latency.count();
        let of_ended = quantile * (ended + open) as f64 / ended as f64;
        if of_ended <= 1.0 { self.latency.quantile_us(of_ended) } else { None }
    }

    /// More than half of what was planned came to nothing, and not through the generator.
    fn is_mostly_errors(&self) -> bool {
        self.count(|fate| fate != Fate::Ok && !fate.is_generators()) * 2 > self.judged()
    }

    /// At least 99 % of what was planned ended ok.
    pub(crate) fn is_mostly_ok(&self) -> bool {
        self.fates.get(Fate::Ok) * 100 >= self.judged() * 99
    }

    /// What was planned, less what the generator itself did not send.
    fn judged(&self) -> u64 {
        self.planned - self.count(Fate::is_generators).min(self.planned)
    }

    fn count(&self, wanted: fn(Fate) -> bool) -> u64 {
        Fate::ALL.into_iter().filter(|fate| wanted(*fate)).map(|fate| self.fates.get(fate)).sum()
    }
}

impl Seconds {
    pub(crate) fn apply(&mut self, row: &IntervalRow) {
        if !matches!(row.kind, Kind::Load | Kind::Queued | Kind::Probe) {
            return;
        }
        let oldest_is_newer = self.by_second.first_key_value().is_some_and(|(oldest, _)| row.second < *oldest);
        if self.by_second.len() >= KEPT && oldest_is_newer {
            return;
        }
        let second = self.by_second.entry(row.second).or_default();
        second.refusals += row.refusals + row.fates.get(Fate::Refused);
        if row.kind != Kind::Queued {
            second.planned += row.planned;
            second.fates.merge(&row.fates);
        }
        if let (Kind::Load, Some(latency)) = (row.kind, &row.latency) {
            second.latency.merge(latency);
        }
        while self.by_second.len() > KEPT {
            self.by_second.pop_first();
        }
    }

    /// The newest second whose rows have most likely all come, with its number.
    pub(crate) fn last_complete(&self, now_us: u64) -> Option<(u32, &LoadSecond)> {
        let now = (now_us / 1_000_000) as u32;
        let limit = now.checked_sub(LATE)?;
        self.by_second.range(..=limit).next_back().map(|(second, load)| (*second, load))
    }

    /// P95 of the load in the seconds `from..to`, microseconds; None: there was none.
    pub(crate) fn p95_us(&self, from: u32, to: u32) -> Option<u64> {
        self.quantile_us(0.95, from, to)
    }

    /// The same of another quantile.
    pub(crate) fn quantile_us(&self, quantile: f64, from: u32, to: u32) -> Option<u64> {
        let mut merged = Hist::new();
        for (_, load) in self.by_second.range(from..to.max(from)) {
            merged.merge(&load.latency);
        }
        merged.quantile_us(quantile)
    }

    /// What was planned and what ended ok of the load and the openings in the seconds `from..to`.
    pub(crate) fn answered(&self, from: u32, to: u32) -> (u64, u64) {
        let seconds = self.by_second.range(from..to.max(from));
        seconds.fold((0, 0), |sum, (_, load)| (sum.0 + load.planned, sum.1 + load.fates.get(Fate::Ok)))
    }

    /// Refusals from `from` on.
    pub(crate) fn refusals_since(&self, from: u32) -> u64 {
        self.by_second.range(from..).map(|(_, load)| load.refusals).sum()
    }

    /// True where `count` seconds in a row were mostly errors. A lost request is known to be lost only after
    /// its timeout, so all that is kept is looked at.
    pub(crate) fn mostly_errors_for(&self, count: u32) -> bool {
        let mut in_a_row = 0;
        let mut expected = 0;
        for (second, load) in &self.by_second {
            let follows = *second == expected;
            in_a_row = match (load.is_mostly_errors(), follows) {
                (true, true) => in_a_row + 1,
                (true, false) => 1,
                (false, _) => 0,
            };
            if in_a_row >= count {
                return true;
            }
            expected = second + 1;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_still_under_way_is_slower_than_what_has_ended() {
        let mut second = LoadSecond { planned: 100, ..LoadSecond::default() };
        let end = |second: &mut LoadSecond, count: u64| {
            second.fates.add(Fate::Ok, count);
            (0..count).for_each(|_| second.latency.record_us(1_000));
        };
        end(&mut second, 90);
        assert_eq!((second.quantile_us(0.95), second.quantile_us(0.9).is_some()), (None, true));
        end(&mut second, 6);
        assert!(second.quantile_us(0.95).is_some_and(|us| us <= 1_001));
        assert_eq!(LoadSecond::default().quantile_us(0.5), None);
    }
}
