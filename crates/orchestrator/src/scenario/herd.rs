use std::collections::BTreeMap;

use erlmcp_record::names::{detail, episode};
use erlmcp_record::{ClusterSample, Detail, Entry, EpisodeRow};

use crate::action::Action;
use crate::assignment::Assignment;
use crate::event::Injected;
use crate::machine::{Observation, Place};

/// A fault that the run's own clients make, and end by themselves.
pub(super) trait Stirred: Send + std::fmt::Debug {
    fn observe(&mut self, seen: &Observation<'_>) -> Vec<Action>;

    /// Ends it early, where that is possible.
    fn cut(&mut self) -> Vec<Action>;

    /// What came of it, once every agent is done.
    fn outcome(&self) -> Option<Result<Injected, String>>;

    /// Its figures for the record.
    fn detail(&self) -> Detail;

    /// When it had ended, where it lasts.
    fn ended_us(&self) -> Option<u64> {
        None
    }
}

/// Clients that close at one instant and come back at once.
#[derive(Debug)]
pub(super) struct Herd {
    work: Assignment,
    percent: u32,
    /// By agent and episode.
    episodes: BTreeMap<(u32, u32), EpisodeRow>,
    /// Openings that failed meanwhile.
    failed: u64,
    /// This machine's counts of full accept queues and of drops at listeners, before it and since.
    before: Option<(u64, u64)>,
    since: Option<(u64, u64)>,
    /// When every agent was done.
    over_us: Option<u64>,
}

impl Herd {
    pub(super) fn start(place: &Place, block: u32, percent: u64, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let percent = u32::try_from(percent).unwrap_or(100);
        let (work, actions) = Assignment::reconnect(place, block, percent, seen);
        (Self::follow(work, percent, seen), actions)
    }

    pub(super) fn follow(work: Assignment, percent: u32, seen: &Observation<'_>) -> Self {
        let before = seen.world.sample.as_ref().and_then(at_listeners);
        Self { work, percent, episodes: BTreeMap::new(), failed: 0, before, since: None, over_us: None }
    }

    /// When every agent was done.
    pub(super) fn over_us(&self) -> Option<u64> {
        self.over_us
    }

    /// When they close.
    pub(super) fn start_us(&self) -> u64 {
        self.work.start_us
    }
}

impl Stirred for Herd {
    fn observe(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        for row in seen.event.rows() {
            match row {
                Entry::Episode(row) if row.how == episode::RECONNECT && row.detected_us >= self.work.start_us => {
                    self.episodes.insert((row.agent, row.episode), row.clone());
                }
                Entry::Connections(row) if seen.now_us >= self.work.start_us => {
                    self.failed += row.failed.values().sum::<u64>();
                }
                _ => {}
            }
        }
        let sample = seen.world.sample.as_ref().filter(|sample| sample.at_us > self.work.start_us);
        self.since = sample.and_then(at_listeners).or(self.since);
        let actions = self.work.observe(seen);
        if self.work.is_over() {
            self.over_us.get_or_insert(seen.now_us);
        }
        actions
    }

    fn cut(&mut self) -> Vec<Action> {
        self.work.cut()
    }

    fn outcome(&self) -> Option<Result<Injected, String>> {
        if !self.work.is_over() {
            return None;
        }
        let first_us = self.episodes.values().map(|row| row.detected_us).min();
        let injected_us = self.work.start_us;
        let closed = |effect_us| {
            let what = if self.percent == 100 { "all".into() } else { format!("{} %", self.percent) };
            let method = format!("{what} of the clients closed their connections at one instant and opened them again");
            Injected::seen(method, injected_us, effect_us)
        };
        Some(first_us.map(closed).ok_or_else(|| "no client had a connection without a request in flight".into()))
    }

    fn detail(&self) -> Detail {
        let sum = |of: fn(&EpisodeRow) -> u64| self.episodes.values().map(of).sum::<u64>() as f64;
        let mut detail = Detail::from([
            ("reconnected_count".to_string(), sum(|row| row.affected)),
            ("served_again_count".to_string(), sum(|row| row.served_again)),
            ("failed_openings_count".to_string(), self.failed as f64),
        ]);
        let first_us = self.episodes.values().map(|row| row.detected_us).min();
        let last_us = self.episodes.values().filter_map(|row| row.last_served_us).max();
        if let Some((before, since)) = self.before.zip(self.since) {
            // Of this machine: where the target is elsewhere they are not known, and are none.
            detail.insert("accept_queue_overflows_count".into(), since.0.saturating_sub(before.0) as f64);
            detail.insert("dropped_at_listeners_count".into(), since.1.saturating_sub(before.1) as f64);
        }
        if let Some((first_us, last_us)) = first_us.zip(last_us) {
            detail.insert(detail::SERVED_AGAIN_MS.into(), last_us.saturating_sub(first_us) as f64 / 1e3);
        }
        detail
    }

    /// Where all were served again, that is when the last of them was.
    fn ended_us(&self) -> Option<u64> {
        let are_served = self.episodes.values().all(|row| row.served_again >= row.affected);
        let last_us = self.episodes.values().filter_map(|row| row.last_served_us).max();
        last_us.filter(|_| are_served).or(self.over_us)
    }
}

/// Full accept queues and drops at listeners, of this machine since boot.
fn at_listeners(sample: &ClusterSample) -> Option<(u64, u64)> {
    sample.kernel.listen_overflows.zip(sample.kernel.listen_drops)
}
