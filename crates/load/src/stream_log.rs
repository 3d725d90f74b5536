//! What became of streams of notifications in each second.

use std::collections::BTreeMap;

use erlmcp_record::{Hist, StreamRow};

use crate::cause::Cause;
use crate::connection_log::OpenNow;
use crate::ledger::SpareHists;

/// Counts since the last row.
#[derive(Debug, Default)]
pub(crate) struct StreamLog {
    pub(crate) planned: u64,
    acknowledged: u64,
    reopened: u64,
    pub(crate) ended: u64,
    pub(crate) closed: u64,
    pub(crate) events: u64,
    pub(crate) surplus: u64,
    pub(crate) strayed: u64,
    pub(crate) keep_alives: u64,
    failed: BTreeMap<Cause, u64>,
    lost: BTreeMap<Cause, u64>,
    away: Option<Hist>,
    opening: Option<Hist>,
}

impl StreamLog {
    /// `opening_us`: from planned to acknowledged.
    pub(crate) fn acknowledged(&mut self, reopened: bool, opening_us: u64, spare: &mut SpareHists) {
        self.acknowledged += 1;
        self.reopened += u64::from(reopened);
        self.opening.get_or_insert_with(|| spare.take()).record_us(opening_us);
    }

    /// A stream is held again that was lost, or had ended, so long ago.
    pub(crate) fn came_back(&mut self, away_us: u64, spare: &mut SpareHists) {
        self.away.get_or_insert_with(|| spare.take()).record_us(away_us);
    }

    /// An opening failed.
    pub(crate) fn failed(&mut self, cause: Cause) {
        *self.failed.entry(cause).or_insert(0) += 1;
    }

    /// A held stream was cut.
    pub(crate) fn lost(&mut self, cause: Cause) {
        *self.lost.entry(cause).or_insert(0) += 1;
    }

    /// True where there is nothing to tell.
    pub(crate) fn is_empty(&self) -> bool {
        let openings = [self.planned, self.acknowledged, self.ended, self.closed];
        let told = [self.events, self.surplus, self.strayed, self.keep_alives];
        openings.iter().chain(&told).all(|count| *count == 0) && self.failed.is_empty() && self.lost.is_empty()
    }

    /// What was counted, as a row; it is counted anew from here on.
    pub(crate) fn take_row(&mut self, now: OpenNow) -> StreamRow {
        let log = std::mem::take(self);
        let words =
            |causes: BTreeMap<Cause, u64>| causes.into_iter().map(|(cause, n)| (cause.to_string(), n)).collect();
        StreamRow {
            agent: now.agent,
            phase: now.phase,
            second: now.second,
            held: now.by_replica.iter().map(|(_, held)| held).sum(),
            by_replica: now.by_replica,
            planned: log.planned,
            acknowledged: log.acknowledged,
            reopened: log.reopened,
            ended: log.ended,
            closed: log.closed,
            events: log.events,
            surplus: Some(log.surplus),
            strayed: Some(log.strayed),
            keep_alives: log.keep_alives,
            failed: words(log.failed),
            lost: words(log.lost),
            away: log.away,
            opening: log.opening,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_add_up_and_gauges_are_of_the_moment() {
        let (mut log, mut spare) = (StreamLog::default(), SpareHists::default());
        let now = OpenNow { agent: 1, phase: 3, second: 9, by_replica: vec![(1, 5), (2, 4)] };
        assert!(log.is_empty());
        log.planned += 1;
        log.acknowledged(false, 700, &mut spare);
        log.failed(Cause::Http(405));
        let first = log.take_row(now.clone());
        assert_eq!((first.held, first.planned, first.acknowledged, first.reopened), (9, 1, 1, 0));
        assert_eq!(first.failed, BTreeMap::from([("http 405".to_string(), 1)]));
        assert_eq!(first.opening.as_ref().and_then(Hist::max_us), Some(700));
        assert!(log.is_empty());
        log.acknowledged(true, 9, &mut spare);
        log.lost(Cause::ResetByPeer);
        log.came_back(40, &mut spare);
        let second = log.take_row(now);
        assert_eq!(second.away.as_ref().and_then(Hist::max_us), Some(40));
        assert_eq!((second.planned, second.acknowledged, second.reopened), (0, 1, 1));
        assert_eq!(second.lost.values().sum::<u64>(), 1);
    }
}
