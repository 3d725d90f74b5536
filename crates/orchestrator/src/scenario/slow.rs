use erlmcp_load::proto::Slowed;
use erlmcp_record::Detail;

use super::herd::Stirred;
use crate::action::Action;
use crate::assignment::Assignment;
use crate::event::{Event, Injected, Said};
use crate::machine::{Observation, Place};

/// Connections beside the others that send half a request, and then a byte a second.
#[derive(Debug)]
pub(super) struct SlowClients {
    work: Assignment,
    told: Vec<Slowed>,
    p95_before_us: Option<u64>,
    p95_during_us: Option<u64>,
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
        let p95_before_us = seen.world.seconds.p95_us(now.saturating_sub(BEFORE_S), now);
        (Self { work, told: Vec::new(), p95_before_us, p95_during_us: None }, actions)
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
        self.p95_during_us = seen.world.seconds.p95_us(first, now).or(self.p95_during_us);
        self.work.observe(seen)
    }

    fn cut(&mut self) -> Vec<Action> {
        self.work.cut()
    }

    fn outcome(&self) -> Option<Result<Injected, String>> {
        if !self.work.is_over() {
            return None;
        }
        let opened = self.sum(|slowed| slowed.opened);
        let first_us = self.told.iter().map(|slowed| slowed.first_us).filter(|us| *us > 0).min();
        let held = |effect_us| Injected {
            method: format!("{opened} connections sent half a request, and then a byte a second"),
            injected_us: self.work.start_us,
            effect_us,
            at_most_us: None,
        };
        Some(first_us.map(held).ok_or_else(|| "no connection could be opened for it".into()))
    }

    fn detail(&self) -> Detail {
        let mut detail = Detail::from([
            ("slow_connections_count".to_string(), self.sum(|slowed| slowed.opened)),
            ("cut_by_the_target_count".to_string(), self.sum(|slowed| slowed.cut)),
        ]);
        let cut_after_us = self.told.iter().map(|slowed| slowed.cut_after_us).max().filter(|us| *us > 0);
        let figures = [
            ("last_cut_ms", cut_after_us),
            ("p95_before_ms", self.p95_before_us),
            ("p95_meanwhile_ms", self.p95_during_us),
        ];
        for (name, us) in figures {
            if let Some(us) = us {
                detail.insert(name.into(), us as f64 / 1e3);
            }
        }
        detail
    }

    fn ended_us(&self) -> Option<u64> {
        self.told.iter().map(|slowed| slowed.last_us).max()
    }
}
