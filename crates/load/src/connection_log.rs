//! What became of connections in each second.

use std::collections::BTreeMap;

use erlmcp_record::{ConnectionRow, Hist};

use crate::cause::Cause;
use crate::ledger::SpareHists;

/// Counts since the last row.
#[derive(Debug, Default)]
pub(crate) struct ConnectionLog {
    planned: u64,
    started: u64,
    opened: u64,
    reopened: u64,
    closed: u64,
    failed: BTreeMap<Cause, u64>,
    lost: BTreeMap<Cause, u64>,
    late: Option<Hist>,
    established: Option<Hist>,
    first_answer: Option<Hist>,
}

/// The times of one opening, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpeningTimes {
    /// From planned to answered.
    pub(crate) late_us: u64,
    /// From connect to established.
    pub(crate) established_us: u64,
    /// From established to answered.
    pub(crate) first_answer_us: u64,
}

/// Gauges of the moment.
#[derive(Debug, Clone)]
pub(crate) struct OpenNow {
    pub(crate) agent: u32,
    pub(crate) phase: u8,
    pub(crate) second: u32,
    pub(crate) by_replica: Vec<(u16, u64)>,
}

impl ConnectionLog {
    pub(crate) fn planned(&mut self) {
        self.planned += 1;
    }

    pub(crate) fn started(&mut self) {
        self.started += 1;
    }

    pub(crate) fn opened(&mut self, reopened: bool, times: OpeningTimes, spare: &mut SpareHists) {
        self.opened += 1;
        self.reopened += u64::from(reopened);
        self.late.get_or_insert_with(|| spare.take()).record_us(times.late_us);
        self.established.get_or_insert_with(|| spare.take()).record_us(times.established_us);
        self.first_answer.get_or_insert_with(|| spare.take()).record_us(times.first_answer_us);
    }

    pub(crate) fn closed(&mut self) {
        self.closed += 1;
    }

    /// An opening failed.
    pub(crate) fn failed(&mut self, cause: Cause) {
        *self.failed.entry(cause).or_insert(0) += 1;
    }

    /// An open connection was lost.
    pub(crate) fn lost(&mut self, cause: Cause) {
        *self.lost.entry(cause).or_insert(0) += 1;
    }

    /// True where there is nothing to tell.
    pub(crate) fn is_empty(&self) -> bool {
        let counts = [self.planned, self.started, self.opened, self.closed];
        counts.iter().all(|count| *count == 0) && self.failed.is_empty() && self.lost.is_empty()
    }

    /// What was counted, as a row, beside the connections that are being renewed now; it is counted anew from here on.
    pub(crate) fn take_row(&mut self, now: OpenNow, renewing: u64) -> ConnectionRow {
        let log = std::mem::take(self);
        let words =
            |causes: BTreeMap<Cause, u64>| causes.into_iter().map(|(cause, n)| (cause.to_string(), n)).collect();
        ConnectionRow {
            agent: now.agent,
            phase: now.phase,
            second: now.second,
            open: now.by_replica.iter().map(|(_, open)| open).sum(),
            renewing,
            by_replica: now.by_replica,
            planned: log.planned,
            started: log.started,
            opened: log.opened,
            reopened: log.reopened,
            closed: log.closed,
            failed: words(log.failed),
            lost: words(log.lost),
            late: log.late,
            established: log.established,
            first_answer: log.first_answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_add_up_and_gauges_are_of_the_moment() {
        let mut log = ConnectionLog::default();
        let mut spare = SpareHists::default();
        let times = OpeningTimes { late_us: 900, established_us: 100, first_answer_us: 800 };
        let now = OpenNow { agent: 1, phase: 2, second: 3, by_replica: vec![(0, 5), (1, 4)] };
        log.planned();
        log.started();
        log.opened(false, times, &mut spare);
        log.failed(Cause::ConnectRefused);
        let first = log.take_row(now.clone(), 1);
        log.opened(true, times, &mut spare);
        log.lost(Cause::Closed);
        let second = log.take_row(now, 0);
        assert_eq!((first.open, first.renewing, first.opened, first.reopened), (9, 1, 1, 0));
        assert_eq!(first.failed, BTreeMap::from([("connect refused".to_string(), 1)]));
        assert_eq!((second.planned, second.started, second.opened, second.reopened), (0, 0, 1, 1));
        assert_eq!(second.lost.values().sum::<u64>(), 1);
        assert_eq!(first.late.as_ref().and_then(Hist::max_us), Some(900));
    }
}
