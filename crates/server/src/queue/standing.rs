//! Whether more is asked for than a burst: a queue that is never empty makes all calls later, and none sooner (the *standing queue*
//! of CoDel, RFC 8289).

/// What waits for less than this is a burst, however short calls are, ns.
const BURST_NS: u64 = 100_000_000;

/// Since when calls have waited. Times are ns; `wait_ns` is how long a burst may wait.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// With pauses in it that are shorter than `wait_ns`.
    since_ns: Option<u64>,
    /// Since when none waits any more.
    ended_ns: Option<u64>,
}

impl Standing {
    /// Calls wait, or none does.
    pub(super) fn note(&mut self, is_waiting: bool, now_ns: u64, wait_ns: u64) {
        if !is_waiting {
            self.ended_ns = self.ended_ns.or(self.since_ns.map(|_| now_ns));
            return;
        }
        if self.since_ns.is_none() || self.has_ended(now_ns, wait_ns) {
            self.since_ns = Some(now_ns);
        }
        self.ended_ns = None;
    }

    pub(super) fn is_so(&self, now_ns: u64, wait_ns: u64) -> bool {
        let has_lasted = |since_ns: u64| now_ns.saturating_sub(since_ns) >= wait_ns.max(BURST_NS);
        self.since_ns.is_some_and(has_lasted) && !self.has_ended(now_ns, wait_ns)
    }

    fn has_ended(&self, now_ns: u64, wait_ns: u64) -> bool {
        self.ended_ns.is_some_and(|ended_ns| now_ns.saturating_sub(ended_ns) >= wait_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_burst_is_none_and_a_short_pause_is_no_end() {
        let mut standing = Standing::default();
        let is_so = |standing: &Standing, at_ms: u64| standing.is_so(at_ms * MS, 20 * MS);
        assert!(!is_so(&standing, 1_000), "nothing has waited");
        standing.note(false, 1_000 * MS, 20 * MS);
        standing.note(true, 1_000 * MS, 20 * MS);
        assert!(!is_so(&standing, 1_099) && is_so(&standing, 1_100));
        standing.note(false, 1_100 * MS, 20 * MS);
        assert!(is_so(&standing, 1_119) && !is_so(&standing, 1_120));
        standing.note(true, 1_119 * MS, 20 * MS);
        assert!(is_so(&standing, 1_130), "it goes on");
        standing.note(false, 1_130 * MS, 20 * MS);
        standing.note(false, 1_140 * MS, 20 * MS);
        assert!(!is_so(&standing, 1_150), "the pause is from its beginning");
        standing.note(true, 1_150 * MS, 20 * MS);
        assert!(!is_so(&standing, 1_249) && is_so(&standing, 1_250), "it begins anew");
        assert!(!standing.is_so(1_250 * MS, 200 * MS), "longer calls make longer bursts");
    }
}
