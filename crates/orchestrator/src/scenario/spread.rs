//! How evenly connections lie on replicas, before something happens and after it.

use std::collections::BTreeMap;

use erlmcp_record::Detail;
use erlmcp_record::names::detail;

use crate::machine::Observation;
use crate::world::World;

/// Even is within a tenth of what it was before.
const EVEN: f64 = 1.1;

/// How unevenly things lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    /// The most on one replica over the mean of all: 1 is even.
    pub(super) ratio: f64,
    /// Gini's coefficient: 0 is even, near 1 is all on one.
    pub(super) gini: f64,
}

impl Spread {
    /// None where there is nothing to spread, or nothing to spread it over.
    pub(super) fn of(counts: &[u64]) -> Option<Self> {
        let all: u64 = counts.iter().sum();
        if all == 0 {
            return None;
        }
        let (n, sum) = (counts.len() as f64, all as f64);
        let most = counts.iter().copied().max().unwrap_or(0) as f64;
        let mut sorted = counts.to_vec();
        sorted.sort_unstable();
        let weighted: f64 = (1..).zip(&sorted).map(|(rank, count)| f64::from(rank) * *count as f64).sum();
        Some(Self { ratio: most * n / sum, gini: 2.0 * weighted / (n * sum) - (n + 1.0) / n })
    }
}

/// Open connections of each of these replicas, as the agents count.
pub(super) fn by_replica(world: &World, replicas: &[u16]) -> Vec<u64> {
    let mut counts: BTreeMap<u16, u64> = replicas.iter().map(|replica| (*replica, 0)).collect();
    for (replica, open) in world.agents.iter().flat_map(|agent| &agent.by_replica) {
        if let Some(count) = counts.get_mut(replica) {
            *count += open;
        }
    }
    counts.into_values().collect()
}

/// Watches the spread from before something until its end.
#[derive(Debug, Default)]
pub(super) struct SpreadWatch {
    replicas: Vec<u16>,
    before: Option<Spread>,
    worst: Option<Spread>,
    last: Option<Spread>,
    /// When it was first seen to be uneven, and since when it has been even again.
    uneven_us: Option<u64>,
    even_us: Option<u64>,
}

impl SpreadWatch {
    pub(super) fn new(replicas: Vec<u16>) -> Self {
        Self { replicas, ..Self::default() }
    }

    /// There are these now.
    pub(super) fn among(&mut self, replicas: Vec<u16>) {
        self.replicas = replicas;
    }

    /// Nothing has happened yet.
    pub(super) fn before(&mut self, seen: &Observation<'_>) {
        self.before = Spread::of(&by_replica(seen.world, &self.replicas)).or(self.before);
    }

    /// It has.
    pub(super) fn after(&mut self, seen: &Observation<'_>) {
        let Some(now) = Spread::of(&by_replica(seen.world, &self.replicas)) else { return };
        self.last = Some(now);
        if self.worst.is_none_or(|worst| now.ratio > worst.ratio) {
            self.worst = Some(now);
        }
        let is_even = self.before.is_some_and(|before| now.ratio <= before.ratio * EVEN);
        if is_even {
            self.even_us = self.even_us.or(self.uneven_us.map(|_| seen.now_us));
        } else {
            self.uneven_us.get_or_insert(seen.now_us);
            self.even_us = None;
        }
    }

    /// Nothing where there was nothing to watch. No time to even out: it never was uneven, or never even again, which the
    /// spread at the end tells.
    pub(super) fn detail(&self) -> Detail {
        let mut found = Detail::new();
        let mut enter = |name: &str, value: Option<f64>| found.extend(value.map(|value| (name.to_string(), value)));
        enter(detail::SPREAD_BEFORE_RATIO, self.before.map(|spread| spread.ratio));
        enter(detail::SPREAD_WORST_RATIO, self.worst.map(|spread| spread.ratio));
        enter(detail::SPREAD_AFTER_RATIO, self.last.map(|spread| spread.ratio));
        enter(detail::GINI_BEFORE, self.before.map(|spread| spread.gini));
        enter(detail::GINI_AFTER, self.last.map(|spread| spread.gini));
        let times = self.uneven_us.zip(self.even_us);
        enter(detail::EVEN_MS, times.map(|(uneven, even)| even.saturating_sub(uneven) as f64 / 1e3));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::world::AgentView;

    #[test]
    fn spread_is_one_where_all_are_the_same() {
        let of = |counts: &[u64]| Spread::of(counts).expect("there is something");
        assert_eq!(of(&[5, 5, 5, 5]), Spread { ratio: 1.0, gini: 0.0 });
        let all_on_one = of(&[0, 0, 0, 8]);
        assert!((all_on_one.ratio - 4.0).abs() < 1e-9 && (all_on_one.gini - 0.75).abs() < 1e-9, "{all_on_one:?}");
        let empty_newcomer = of(&[4, 4, 4, 0]);
        assert!((empty_newcomer.ratio - 4.0 / 3.0).abs() < 1e-9 && (empty_newcomer.gini - 0.25).abs() < 1e-9);
        assert_eq!((Spread::of(&[]), Spread::of(&[0, 0])), (None, None));
    }

    #[test]
    fn evening_out_takes_from_the_first_uneven_moment_to_the_last_change() {
        let mut watch = SpreadWatch::new(vec![1, 2]);
        let look = |watch: &mut SpreadWatch, now_us: u64, counts: [u64; 2], is_before: bool| {
            let mut agent = AgentView::ready(9);
            agent.by_replica = vec![(1, counts[0]), (2, counts[1])];
            let world = World::new(vec![agent]);
            let seen = Observation { now_us, event: &Event::Tick, world: &world };
            if is_before { watch.before(&seen) } else { watch.after(&seen) }
        };
        look(&mut watch, 1_000_000, [10, 10], true);
        look(&mut watch, 2_000_000, [10, 10], false);
        assert!(!watch.detail().contains_key(detail::EVEN_MS), "it never was uneven");
        look(&mut watch, 3_000_000, [20, 0], false);
        look(&mut watch, 4_000_000, [10, 10], false);
        look(&mut watch, 5_000_000, [15, 5], false);
        assert!(!watch.detail().contains_key(detail::EVEN_MS), "it is uneven again");
        look(&mut watch, 7_000_000, [11, 9], false);
        look(&mut watch, 9_000_000, [10, 10], false);
        let found = watch.detail();
        assert_eq!(found.get(detail::EVEN_MS), Some(&4_000.0));
        assert_eq!((found[detail::SPREAD_WORST_RATIO], found[detail::SPREAD_AFTER_RATIO]), (2.0, 1.0));
    }
}
