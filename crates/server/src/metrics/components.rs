//! What the parts of a server take: the registry of tools, the router, the check of session tokens, batches, the telling
//! of changes. Times are of one request in [`SAMPLED`]; counts are of all.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::counters::Cell;
use super::histogram::{Histogram, Latencies};
use crate::clock::monotonic_ns;

/// One request in so many is timed.
pub(crate) const SAMPLED: u64 = 64;

/// The first bucket ends at 2^5 ns, the last bounded one at 2^20 ns, about a millisecond.
const FIRST_BIT: u32 = 5;
const LAST_BIT: u32 = 20;
const BUCKETS: usize = (LAST_BIT - FIRST_BIT + 2) as usize;

/// A histogram of short times with one writer.
#[derive(Debug, Default)]
pub(crate) struct ShortTimes {
    buckets: [Cell; BUCKETS],
    sum_ns: Cell,
}

impl ShortTimes {
    pub(crate) fn record(&self, ns: u64) {
        let bits = u64::BITS - ns.max(1).saturating_sub(1).leading_zeros();
        self.buckets[(bits.clamp(FIRST_BIT, LAST_BIT + 1) - FIRST_BIT) as usize].add(1);
        self.sum_ns.add(ns);
    }

    fn add_to(&self, total: &mut ShortHistogram) {
        for (cell, bucket) in self.buckets.iter().zip(&mut total.buckets) {
            *bucket += cell.get();
        }
        total.sum_ns += self.sum_ns.get();
    }
}

/// A histogram of short times at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShortHistogram {
    /// Counts of each bucket alone, in the order of [`short_bounds_ns`]; the last one has no bound.
    pub buckets: Vec<u64>,
    /// Sum of all times, ns.
    pub sum_ns: u64,
}

impl Default for ShortHistogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], sum_ns: 0 }
    }
}

impl ShortHistogram {
    /// How many times it has.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    fn add(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(sum, more)| *sum += more);
        self.sum_ns += other.sum_ns;
    }
}

/// Upper bounds of all buckets but the last, ns.
pub fn short_bounds_ns() -> impl Iterator<Item = u64> {
    (FIRST_BIT..=LAST_BIT).map(|bit| 1 << bit)
}

/// What one shard counts of its parts.
#[derive(Debug, Default)]
pub(crate) struct ShardComponents {
    /// From a whole head to where its request goes; of a sample.
    pub(crate) router: ShortTimes,
    /// A tool found by its name, or not; of a sample.
    pub(crate) lookup: ShortTimes,
    /// A session's token checked; of a sample.
    pub(crate) token_check: ShortTimes,
    pub(crate) tokens_good: Cell,
    pub(crate) tokens_refused: Cell,
    pub(crate) batches: Cell,
    pub(crate) batch_messages: Cell,
    /// Batches that were refused as a whole.
    pub(crate) batches_refused: Cell,
    /// Changes that some stream was owed.
    pub(crate) changes: Cell,
    /// Notifications of changes written to streams.
    pub(crate) notifications: Cell,
    /// From a change that reached the shard until the last of its streams was told.
    pub(crate) fan_out: Latencies,
}

/// The parts of a server at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentFigures {
    /// Tools in the registry.
    pub tools: u64,
    /// What reading the clock takes, ns: it is in each of the short times.
    pub clock_ns: u64,
    /// One request in so many has its short times taken.
    pub sampled: u64,
    /// From a whole head to where its request goes.
    pub router: ShortHistogram,
    /// A tool found by its name, or not.
    pub lookup: ShortHistogram,
    /// The token of a session of the older era checked.
    pub token_check: ShortHistogram,
    /// Tokens that were good.
    pub tokens_good: u64,
    /// Tokens that were none, of another key, expired, or of a session that was ended.
    pub tokens_refused: u64,
    /// Batches of 2025-03-26 that were taken.
    pub batches: u64,
    /// Messages in them.
    pub batch_messages: u64,
    /// Batches that were refused as a whole.
    pub batches_refused: u64,
    /// Changes that some stream was owed, by shard: one that concerns streams of two shards counts twice.
    pub changes: u64,
    /// Notifications of changes written to streams.
    pub notifications: u64,
    /// From a change that reached a shard until the last of its streams was told.
    pub fan_out: Histogram,
    /// From a call's admission until a worker took it.
    pub queue_wait: Histogram,
    /// What calls took their workers.
    pub worker_time: Histogram,
}

impl ComponentFigures {
    /// The shards' part of it.
    pub(crate) fn collect<'a>(shards: impl Iterator<Item = &'a ShardComponents>) -> Self {
        let mut all = Self { clock_ns: clock_ns(), sampled: SAMPLED, ..Self::default() };
        for shard in shards {
            shard.router.add_to(&mut all.router);
            shard.lookup.add_to(&mut all.lookup);
            shard.token_check.add_to(&mut all.token_check);
            all.tokens_good += shard.tokens_good.get();
            all.tokens_refused += shard.tokens_refused.get();
            all.batches += shard.batches.get();
            all.batch_messages += shard.batch_messages.get();
            all.batches_refused += shard.batches_refused.get();
            all.changes += shard.changes.get();
            all.notifications += shard.notifications.get();
            shard.fan_out.add_to(&mut all.fan_out);
        }
        all
    }

    /// Adds what another replica counted. Tools are the same on all of them.
    pub(crate) fn add(&mut self, other: &Self) {
        self.tools = self.tools.max(other.tools);
        self.clock_ns = self.clock_ns.max(other.clock_ns);
        self.sampled = self.sampled.max(other.sampled);
        for (sum, more) in [
            (&mut self.router, &other.router),
            (&mut self.lookup, &other.lookup),
            (&mut self.token_check, &other.token_check),
        ] {
            sum.add(more);
        }
        for (sum, more) in [
            (&mut self.tokens_good, other.tokens_good),
            (&mut self.tokens_refused, other.tokens_refused),
            (&mut self.batches, other.batches),
            (&mut self.batch_messages, other.batch_messages),
            (&mut self.batches_refused, other.batches_refused),
            (&mut self.changes, other.changes),
            (&mut self.notifications, other.notifications),
        ] {
            *sum += more;
        }
        self.fan_out.add(&other.fan_out);
        self.queue_wait.add(&other.queue_wait);
        self.worker_time.add(&other.worker_time);
    }
}

/// What reading the clock takes here: the least of a few, once a process.
fn clock_ns() -> u64 {
    static CLOCK_NS: OnceLock<u64> = OnceLock::new();
    const TRIES: u32 = 64;
    let once = |_| {
        let from_ns = monotonic_ns();
        monotonic_ns().saturating_sub(from_ns)
    };
    *CLOCK_NS.get_or_init(|| (0..TRIES).map(once).min().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_times_fall_into_the_bucket_of_their_bound() {
        let times = ShortTimes::default();
        for ns in [0, 32, 33, 1 << 20, u64::MAX >> 1] {
            times.record(ns);
        }
        let mut total = ShortHistogram::default();
        times.add_to(&mut total);
        assert_eq!(total.buckets.len(), short_bounds_ns().count() + 1);
        assert_eq!((total.buckets[0], total.buckets[1], total.count()), (2, 1, 5));
        assert_eq!((total.buckets[BUCKETS - 2], total.buckets[BUCKETS - 1]), (1, 1));
    }

    #[test]
    fn replicas_add_up() {
        let shard = ShardComponents::default();
        shard.lookup.record(50);
        shard.batches.add(2);
        shard.fan_out.record(20_000, 1);
        let one = ComponentFigures { tools: 3, ..ComponentFigures::collect([&shard, &shard].into_iter()) };
        assert_eq!((one.lookup.count(), one.batches, one.sampled), (2, 4, SAMPLED));
        let mut all = one.clone();
        all.add(&one);
        assert_eq!((all.tools, all.lookup.count(), all.lookup.sum_ns, all.batches), (3, 4, 200, 8));
        assert_eq!(all.fan_out.buckets[1], 4);
    }
}
