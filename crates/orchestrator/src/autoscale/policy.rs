//! How many replicas there should be: a step function, without IO.

use std::time::Duration;

/// What the number of replicas goes by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Replicas, at least and at most.
    pub min: u16,
    /// See `min`.
    pub max: u16,
    /// Connections that one replica is to have.
    pub connections: u64,
    /// Share of the queue's places that may be taken, 0 to 1; above it half as many replicas are added.
    pub queue: f64,
    /// From one change to the next, and for how long less must have been enough before a replica goes.
    pub cool_down: Duration,
}

/// What the replicas have to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Those that are wanted now.
    pub replicas: u16,
    /// Those whose figures these are.
    pub told: u16,
    /// Those that are there and did not say how they are: each is taken for the mean of those that did.
    pub silent: u16,
    /// Those that refused to say it, since they have too much to do.
    pub full: u16,
    /// Open connections to the MCP endpoint.
    pub connections: u64,
    /// Requests that wait for a worker.
    pub queue_depth: u64,
    /// Places in the queues.
    pub queue_limit: u64,
}

/// A change to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Replicas.
    pub to: u16,
    /// As a sentence.
    pub why: String,
}

/// Remembers what the policy has to know of the past.
#[derive(Debug)]
pub(super) struct Scaler {
    policy: Policy,
    changed: Option<Duration>,
    /// Since when fewer replicas were enough, and the most that were wanted since.
    enough: Option<(Duration, u16)>,
}

impl Scaler {
    pub(super) fn new(policy: Policy) -> Self {
        Self { policy, changed: None, enough: None }
    }

    /// The change that is due at `now`, counted from any beginning; the caller makes it, or tells with [`Self::failed`]
    /// that it could not.
    pub(super) fn step(&mut self, now: Duration, load: Load) -> Option<Change> {
        let (wanted, why) = self.policy.wanted(load);
        if wanted >= load.replicas {
            self.enough = None;
        }
        let is_cool = self.changed.is_none_or(|changed| now.saturating_sub(changed) >= self.policy.cool_down);
        if wanted > load.replicas {
            return is_cool.then(|| self.change(now, wanted, why));
        }
        // Who says nothing of itself may have the most to do.
        if wanted == load.replicas || load.told < load.replicas {
            self.enough = None;
            return None;
        }
        let (since, most) = self.enough.map_or((now, wanted), |(since, most)| (since, most.max(wanted)));
        self.enough = Some((since, most));
        let cool_down = self.policy.cool_down;
        let is_due = is_cool && now.saturating_sub(since) >= cool_down;
        is_due.then(|| self.change(now, most, format!("{most} were enough for {} s: {why}", cool_down.as_secs())))
    }

    fn change(&mut self, now: Duration, to: u16, why: String) -> Change {
        self.changed = Some(now);
        self.enough = None;
        Change { to, why }
    }

    /// The last change was not made: it may be tried again at once.
    pub(super) fn failed(&mut self) {
        self.changed = None;
    }
}

impl Policy {
    /// Replicas that this load wants, and by what.
    fn wanted(&self, load: Load) -> (u16, String) {
        let connections = self.supposed(load);
        let by_connections = connections.div_ceil(self.connections.max(1));
        let are_all_full = load.told == 0 && load.full > 0;
        let is_full = load.queue_limit > 0 && load.queue_depth as f64 > self.queue * load.queue_limit as f64;
        let by_queue =
            if is_full || are_all_full { u64::from(load.replicas) + u64::from(load.replicas / 2).max(1) } else { 0 };
        let wanted = by_connections.max(by_queue).clamp(u64::from(self.min), u64::from(self.max.max(self.min)));
        let Load { queue_depth, queue_limit, .. } = load;
        let why = match load.silent + load.full {
            _ if are_all_full => "no replica says how it is, and some have too much to do for it".into(),
            _ if by_queue > by_connections => format!("{queue_depth} requests wait in {queue_limit} places"),
            0 => format!("{connections} connections, {} a replica", self.connections),
            unknown => {
                format!(
                    "{connections} connections, those of {unknown} replicas supposed, {} a replica",
                    self.connections
                )
            }
        };
        (u16::try_from(wanted).unwrap_or(u16::MAX), why)
    }

    /// Connections of all replicas that are there.
    fn supposed(&self, load: Load) -> u64 {
        let mean = load.connections.div_ceil(u64::from(load.told).max(1));
        load.connections + u64::from(load.silent) * mean + u64::from(load.full) * mean.max(self.connections)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy =
        Policy { min: 2, max: 16, connections: 1_000, queue: 0.5, cool_down: Duration::from_secs(60) };

    fn load(replicas: u16, connections: u64) -> Load {
        Load { replicas, told: replicas, connections, queue_limit: 500, ..Load::default() }
    }

    fn to(scaler: &mut Scaler, second: u64, load: Load) -> Option<u16> {
        scaler.step(Duration::from_secs(second), load).map(|change| change.to)
    }

    #[test]
    fn more_connections_want_more_replicas_within_the_bounds() {
        for (connections, wanted) in [(0, None), (4_000, None), (4_001, Some(5)), (9_999, Some(10)), (90_000, Some(16))]
        {
            assert_eq!(to(&mut Scaler::new(POLICY), 0, load(4, connections)), wanted, "{connections}");
        }
        assert_eq!(to(&mut Scaler::new(POLICY), 0, load(1, 0)), Some(2), "there are too few");
    }

    #[test]
    fn a_queue_that_fills_adds_half_as_many() {
        let full = Load { queue_depth: 251, ..load(4, 100) };
        let change = Scaler::new(POLICY).step(Duration::ZERO, full).expect("it is too full");
        assert_eq!((change.to, change.why.as_str()), (6, "251 requests wait in 500 places"));
        assert_eq!(to(&mut Scaler::new(POLICY), 0, Load { queue_depth: 250, ..load(2, 0) }), None);
        assert_eq!(to(&mut Scaler::new(POLICY), 0, Load { queue_depth: 9, queue_limit: 0, ..load(2, 0) }), None);
    }

    #[test]
    fn a_change_waits_for_the_last_one_to_cool_down() {
        let mut scaler = Scaler::new(POLICY);
        assert_eq!(to(&mut scaler, 0, load(2, 3_000)), Some(3));
        assert_eq!(to(&mut scaler, 59, load(3, 9_000)), None);
        assert_eq!(to(&mut scaler, 60, load(3, 9_000)), Some(9));
        scaler.failed();
        assert_eq!(to(&mut scaler, 61, load(3, 9_000)), Some(9), "it was not done");
    }

    #[test]
    fn replicas_go_when_fewer_were_enough_all_the_time() {
        let mut scaler = Scaler::new(POLICY);
        assert_eq!(to(&mut scaler, 0, load(10, 3_000)), None);
        assert_eq!(to(&mut scaler, 30, load(10, 6_500)), None);
        assert_eq!(to(&mut scaler, 59, load(10, 100)), None);
        assert_eq!(to(&mut scaler, 60, load(10, 100)), Some(7), "as many as were wanted meanwhile");
        assert_eq!(to(&mut scaler, 61, load(7, 100)), None);
        assert_eq!(to(&mut scaler, 90, load(7, 7_000)), None, "all are needed: it begins again");
        assert_eq!(to(&mut scaler, 125, load(7, 100)), None);
        assert_eq!(to(&mut scaler, 185, load(7, 100)), Some(2));
    }

    #[test]
    fn who_says_nothing_has_as_much_to_do_as_the_others() {
        let policy = Policy { connections: 8_334, ..POLICY };
        let mut full = Load { replicas: 4, told: 1, silent: 3, connections: 9_000, ..Load::default() };
        let change = Scaler::new(policy).step(Duration::ZERO, full).expect("it is too much for four");
        assert_eq!(change.to, 5);
        assert_eq!(change.why, "36000 connections, those of 3 replicas supposed, 8334 a replica");
        // One that was only just asked for has none, and one that is full at least what it should have.
        assert_eq!(to(&mut Scaler::new(policy), 0, Load { silent: 0, ..full }), None);
        (full.silent, full.full, full.connections) = (0, 3, 8_335);
        assert_eq!(to(&mut Scaler::new(policy), 0, full), Some(5));
        full.connections = 100;
        assert_eq!(to(&mut Scaler::new(policy), 0, full), None);
    }

    #[test]
    fn where_all_are_full_half_as_many_are_added_each_time() {
        let mut scaler = Scaler::new(POLICY);
        let full = |replicas| Load { replicas, full: replicas - 1, silent: 1, ..Load::default() };
        assert_eq!(to(&mut scaler, 0, full(4)), Some(6));
        assert_eq!((to(&mut scaler, 59, full(6)), to(&mut scaler, 60, full(6))), (None, Some(9)));
    }

    #[test]
    fn nobody_goes_while_somebody_says_nothing() {
        let mut scaler = Scaler::new(POLICY);
        let silent = Load { told: 9, ..load(10, 0) };
        for second in 0..200 {
            assert_eq!(to(&mut scaler, second, silent), None);
        }
        assert_eq!(to(&mut scaler, 200, load(10, 0)), None, "it counts from now on");
        assert_eq!(to(&mut scaler, 260, load(10, 0)), Some(2));
    }
}
