use std::time::Duration;

use super::QueueFacts;
use super::block::REFUSAL_BOUND;

/// Longest that a full queue is meant to take until it is empty again.
const DRAIN_MAX: Duration = Duration::from_secs(5);
/// Offered beyond what the workers can do, as a multiple of it.
const EXCESS: f64 = 2.0;

/// Queued work that the workers cannot keep up with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overflow {
    /// What one call keeps its worker waiting.
    pub work_ms: u64,
    /// Calls a second, all agents together.
    pub rate: f64,
    /// Calls a second that the workers can do.
    pub capacity: f64,
    /// Places in the queues of all replicas.
    pub places: u64,
}

impl Overflow {
    /// Twice what the workers can do, with calls just long enough that a full queue drains well within the
    /// request timeout and within five seconds.
    pub(crate) fn plan(queue: QueueFacts, timeout: Duration) -> Self {
        let drain = (timeout / 3).min(DRAIN_MAX);
        let longest_ms = (timeout.as_secs_f64() * 250.0).clamp(5.0, 1_000.0);
        let workers = queue.workers.max(1) as f64;
        let places = queue.places.max(1) as f64;
        let work_ms = (drain.as_secs_f64() * 1e3 * workers / places).round().clamp(5.0, longest_ms);
        let capacity = workers * 1e3 / work_ms;
        // Full within the half of the bound, even where the queue is deep for its workers.
        let in_time = capacity + places / (REFUSAL_BOUND.as_secs_f64() / 2.0);
        Self { work_ms: work_ms as u64, rate: (capacity * EXCESS).max(in_time), capacity, places: queue.places }
    }

    /// From the first call to a full queue.
    pub(crate) fn fill_estimate(&self) -> Duration {
        Duration::from_secs_f64(self.places as f64 / (self.rate - self.capacity).max(1.0)) + Duration::from_secs(2)
    }

    /// From the last call to an empty queue.
    pub(crate) fn drain_estimate(&self) -> Duration {
        Duration::from_secs_f64(self.places as f64 / self.capacity.max(1.0)) + Duration::from_secs(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_fills_within_its_bound_and_drains_within_the_timeout() {
        for (workers, places) in [(600, 12_288), (50, 1_000), (1, 1), (8, 100_000), (600, 60)] {
            for timeout in [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(60)] {
                let overflow = Overflow::plan(QueueFacts { workers, places }, timeout);
                let fill = places as f64 / (overflow.rate - overflow.capacity);
                assert!(overflow.rate > overflow.capacity);
                assert!(fill <= REFUSAL_BOUND.as_secs_f64() / 2.0, "{workers} workers, {places} places: {overflow:?}");
                if overflow.work_ms > 5 {
                    let wait = places as f64 / overflow.capacity + overflow.work_ms as f64 / 1e3;
                    assert!(wait < timeout.as_secs_f64(), "{workers} workers, {places} places: {overflow:?}");
                }
            }
        }
    }
}
