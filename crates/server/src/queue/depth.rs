//! How many calls may wait: as many as come to their turn while waiting is worth it, by how long calls have taken lately.

use crate::limits::Limits;

/// What a call is taken for until one has ended, ns: so many wait then as there are workers, whatever they take.
const UNKNOWN_NS: u64 = 5_000_000;

/// The bounds between which the number goes up and down.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Depth {
    workers: u64,
    floor: u64,
    ceiling: u64,
    wait_min_ns: u64,
    wait_max_ns: u64,
}

impl Depth {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            workers: limits.workers,
            floor: limits.queue_min.min(limits.queue_max),
            ceiling: limits.queue_max,
            wait_min_ns: limits.queue_wait_min_ms.saturating_mul(1_000_000),
            wait_max_ns: limits.queue_wait_max_ms.saturating_mul(1_000_000),
        }
    }

    pub(super) fn workers(&self) -> u64 {
        self.workers
    }

    /// How long a burst may wait, ns: what a call takes, within the bounds.
    pub(super) fn wait_ns(&self, service_ns: u64) -> u64 {
        self.within(known(service_ns))
    }

    /// The number now; `service_ns` is what a call takes, 0 where none has ended yet. Where more has been asked for than a burst
    /// (`is_standing`) it is as many as wait for half of that: the other half would make all of them later, and none sooner.
    pub(super) fn limit(&self, service_ns: u64, is_standing: bool) -> u64 {
        let service_ns = known(service_ns);
        let wait_ns = self.within(if is_standing { service_ns / 2 } else { service_ns });
        (wait_ns.saturating_mul(self.workers) / service_ns).clamp(self.floor, self.ceiling)
    }

    fn within(&self, wait_ns: u64) -> u64 {
        wait_ns.max(self.wait_min_ns).min(self.wait_max_ns)
    }
}

fn known(service_ns: u64) -> u64 {
    if service_ns == 0 { UNKNOWN_NS } else { service_ns }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits_of(limits: &Limits, is_standing: bool, service_ms: &[u64]) -> Vec<u64> {
        let depth = Depth::new(limits);
        service_ms.iter().map(|service_ms| depth.limit(service_ms * 1_000_000, is_standing)).collect()
    }

    #[test]
    fn as_many_wait_as_one_service_takes_and_half_of_it_where_they_stand() {
        let limits = Limits { workers: 10, ..Limits::default() };
        let service_ms = [0, 1, 5, 10, 100, 30_000, 60_000, 10_000_000];
        assert_eq!(limits_of(&limits, false, &service_ms), [10, 50, 10, 10, 10, 10, 5, 1]);
        assert_eq!(limits_of(&limits, true, &service_ms), [10, 50, 10, 5, 5, 5, 5, 1]);
        assert_eq!(Depth::new(&limits).limit(1_000, false), 500, "the ceiling");
    }

    #[test]
    fn slower_calls_wait_in_smaller_number() {
        let wait = Limits { queue_wait_min_ms: 50, queue_wait_max_ms: 50, ..Limits::default() };
        let limits = Limits { workers: 10, queue_min: 2, queue_max: 100, ..wait };
        for is_standing in [false, true] {
            let found = limits_of(&limits, is_standing, &[0, 1, 10, 100, 250, 10_000]);
            assert_eq!(found, [100, 100, 50, 5, 2, 2], "a time that was set by hand holds whatever stands");
        }
        assert_eq!(limits_of(&Limits { queue_max: 0, ..Limits::default() }, false, &[0, 1]), [0, 0]);
    }
}
