//! How many calls may wait: as many as come to their turn while waiting is worth it, by how long calls have taken lately.

use crate::limits::Limits;

/// The bounds between which the number goes up and down.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Depth {
    workers: u64,
    floor: u64,
    ceiling: u64,
    wait_max_ns: u64,
}

impl Depth {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            workers: limits.workers,
            floor: limits.queue_min.min(limits.queue_max),
            ceiling: limits.queue_max,
            wait_max_ns: limits.queue_wait_max_ms.saturating_mul(1_000_000),
        }
    }

    pub(super) fn workers(&self) -> u64 {
        self.workers
    }

    /// The number now; `service_ns` is what a call takes, 0 where none has ended yet.
    pub(super) fn limit(&self, service_ns: u64) -> u64 {
        let turns = self.wait_max_ns.saturating_mul(self.workers).checked_div(service_ns);
        turns.unwrap_or(self.ceiling).clamp(self.floor, self.ceiling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slower_calls_wait_in_smaller_number() {
        let limits = Limits { workers: 10, queue_min: 2, queue_max: 100, queue_wait_max_ms: 50, ..Limits::default() };
        let depth = Depth::new(&limits);
        for (service_ms, limit) in [(0, 100), (1, 100), (10, 50), (100, 5), (250, 2), (10_000, 2)] {
            assert_eq!(depth.limit(service_ms * 1_000_000), limit, "calls of {service_ms} ms");
        }
        let none = Depth::new(&Limits { queue_max: 0, ..Limits::default() });
        assert_eq!((none.limit(0), none.limit(1_000)), (0, 0));
    }
}
