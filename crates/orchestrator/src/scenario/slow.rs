use erlmcp_load::proto::Slowed;
use erlmcp_record::Detail;

use super::herd::Stirred;
use crate::action::Action;
use crate::assignment::Assignment;
use crate::event::{Event, Injected, Said};
use crate::machine::{Observation, Place};

/// Connections beside the others: half of them send half a request, and then a byte a second; the others ask on and on and
/// read no answer.
#[derive(Debug)]
pub(super) struct SlowClients {
    work: Assignment,
    told: Vec<Slowed>,
    p99_before_us: Option<u64>,
    p99_during_us: Option<u64>,
    /// Of all replicas, bytes; the most while they were there.
    memory_before: Option<u64>,
    memory_during: Option<u64>,
}

/// What the load was like is read off so many seconds before.
const BEFORE_S: u32 = 5;

impl SlowClients {
    pub(super) fn start(
        place: &Place,
        block: u32,
        (connections, duration_us): (u64, u64),
        seen: &Observation<'_>,
    ) -> (Self, Vec<Action>) {
        let (work, actions) = Assignment::slow(place, block, (connections, duration_us), seen);
        let now = (seen.now_us / 1_000_000) as u32;
        let slow = Self {
            work,
            told: Vec::new(),
            p99_before_us: seen.world.seconds.quantile_us(0.99, now.saturating_sub(BEFORE_S), now),
            p99_during_us: None,
            memory_before: memory(seen),
            memory_during: None,
        };
        (slow, actions)
    }

    fn sum(&self, of: fn(&Slowed) -> u32) -> f64 {
        self.told.iter().map(|slowed| f64::from(of(slowed))).sum()
    }
}

impl Stirred for SlowClients {
    fn observe(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        if let Event::Agent { said: Said::Slowed(slowed), .. } = seen.event {
            self.told.push(*slowed);
        }
        let (first, now) = ((self.work.start_us / 1_000_000) as u32 + 1, (seen.now_us / 1_000_000) as u32);
        self.p99_during_us = seen.world.seconds.quantile_us(0.99, first, now).or(self.p99_during_us);
        self.memory_during = self.memory_during.max(memory(seen));
        self.work.observe(seen)
    }

    fn cut(&mut self) -> Vec<Action> {
        self.work.cut()
    }

    fn outcome(&self) -> Option<Result<Injected, String>> {
        if !self.work.is_over() {
            return None;
        }
        let readers = self.sum(|slowed| slowed.readers);
        let writers = self.sum(|slowed| slowed.opened) - readers;
        let first_us = self.told.iter().map(|slowed| slowed.first_us).filter(|us| *us > 0).min();
        let held = |effect_us| {
            let method = format!(
                "{writers} connections sent half a request, and then a byte a second; {readers} asked on and on and read no \
                 answer"
            );
            Injected::seen(method, self.work.start_us, effect_us)
        };
        Some(first_us.map(held).ok_or_else(|| "no connection could be opened for it".into()))
    }

    fn detail(&self) -> Detail {
        let mut detail = Detail::from([
            ("slow_connections_count".to_string(), self.sum(|slowed| slowed.opened)),
            ("of_them_not_reading_count".to_string(), self.sum(|slowed| slowed.readers)),
            ("answers_left_unread_on_count".to_string(), self.sum(|slowed| slowed.unread)),
            ("cut_by_the_target_count".to_string(), self.sum(|slowed| slowed.cut)),
        ]);
        let cut_after_us = self.told.iter().map(|slowed| slowed.cut_after_us).max().filter(|us| *us > 0);
        let figures = [
            ("last_cut_ms", cut_after_us),
            ("p99_before_ms", self.p99_before_us),
            ("p99_meanwhile_ms", self.p99_during_us),
        ];
        for (name, us) in figures {
            if let Some(us) = us {
                detail.insert(name.into(), us as f64 / 1e3);
            }
        }
        for (name, bytes) in
            [("memory_before_bytes", self.memory_before), ("memory_meanwhile_bytes", self.memory_during)]
        {
            if let Some(bytes) = bytes {
                detail.insert(name.into(), bytes as f64);
            }
        }
        detail
    }

    fn ended_us(&self) -> Option<u64> {
        self.told.iter().map(|slowed| slowed.last_us).max()
    }
}

/// What the processes of all replicas have, where it is known of each.
fn memory(seen: &Observation<'_>) -> Option<u64> {
    let replicas = &seen.world.sample.as_ref()?.replicas;
    replicas.iter().map(|replica| replica.memory_bytes).reduce(|sum, one| Some(sum? + one?))?
}
