//! The data path: who is reachable on its own address, and who watches whom.

use std::collections::BTreeMap;

/// Failed probes in a row after which a replica is out, good ones after which it is back in.
const IN_A_ROW: u32 = 2;
/// What a peer said longer ago than this is no longer held against the supervisor's own probes.
const PEER_FRESH_NS: u64 = 2_000_000_000;

/// What came of one probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) good: bool,
    /// When that was known, ns.
    pub(super) at_ns: u64,
}

/// A change of membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Out, since the first of the failed probes.
    Out {
        since_ns: u64,
    },
    In,
}

/// What the probes of one replica say.
#[derive(Debug, Default)]
pub(super) struct Reach {
    is_in: bool,
    in_a_row: u32,
    first_failed_ns: u64,
    last: Option<Verdict>,
    peer: Option<Verdict>,
}

impl Reach {
    /// The supervisor's own probe.
    pub(super) fn own(&mut self, verdict: Verdict) -> Option<Turn> {
        if self.last.is_some_and(|last| last.good == verdict.good) {
            self.in_a_row += 1;
        } else {
            self.in_a_row = 1;
            if !verdict.good {
                self.first_failed_ns = verdict.at_ns;
            }
        }
        self.last = Some(verdict);
        self.judge()
    }

    /// The probe of the replica's peer.
    pub(super) fn peer(&mut self, verdict: Verdict) -> Option<Turn> {
        self.peer = Some(verdict);
        self.judge()
    }

    /// Another peer watches from now on.
    pub(super) fn forget_peer(&mut self) {
        self.peer = None;
    }

    fn judge(&mut self) -> Option<Turn> {
        let last = self.last?;
        if self.in_a_row < IN_A_ROW || last.good == self.is_in {
            return None;
        }
        if last.good {
            self.is_in = true;
            return Some(Turn::In);
        }
        let objects = |peer: Verdict| peer.good && last.at_ns.saturating_sub(peer.at_ns) <= PEER_FRESH_NS;
        if self.peer.is_some_and(objects) {
            return None;
        }
        self.is_in = false;
        Some(Turn::Out { since_ns: self.first_failed_ns })
    }
}

/// Who probes whom: each ready replica is watched by the member that precedes it in the ring of numbers. `ready` is
/// in order, with true for members. A replica without another member is watched by the supervisor alone.
pub(super) fn watch_lists(ready: &[(u16, bool)]) -> BTreeMap<u16, Vec<u16>> {
    let mut lists: BTreeMap<u16, Vec<u16>> = ready.iter().map(|(replica, _)| (*replica, Vec::new())).collect();
    for (place, (watched, _)) in ready.iter().enumerate() {
        let before = ready[..place].iter().rev().chain(ready[place + 1..].iter().rev());
        if let Some((watcher, _)) = before.into_iter().find(|(_, is_member)| *is_member) {
            lists.entry(*watcher).or_default().push(*watched);
        }
    }
    lists
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn good(ms: u64) -> Verdict {
        Verdict { good: true, at_ns: ms * MS }
    }

    fn bad(ms: u64) -> Verdict {
        Verdict { good: false, at_ns: ms * MS }
    }

    fn member() -> Reach {
        let mut reach = Reach::default();
        assert_eq!(reach.own(good(0)), None);
        assert_eq!(reach.own(good(1)), Some(Turn::In));
        reach
    }

    #[test]
    fn two_failures_take_it_out_since_the_first_and_two_good_ones_bring_it_back() {
        let mut reach = member();
        assert_eq!(reach.own(bad(500)), None);
        assert_eq!(reach.own(bad(1_000)), Some(Turn::Out { since_ns: 500 * MS }));
        assert_eq!(reach.own(bad(1_500)), None);
        assert_eq!(reach.own(good(2_000)), None);
        assert_eq!(reach.own(good(2_250)), Some(Turn::In));
    }

    #[test]
    fn one_failure_between_good_ones_is_nothing() {
        let mut reach = member();
        for round in 0..10 {
            assert_eq!(reach.own(bad(round * 500)), None);
            assert_eq!(reach.own(good(round * 500 + 250)), None);
        }
    }

    #[test]
    fn a_peer_that_reaches_it_keeps_it_in() {
        let mut reach = member();
        assert_eq!(reach.peer(good(900)), None);
        assert_eq!(reach.own(bad(500)), None);
        assert_eq!(reach.own(bad(1_000)), None);
        assert_eq!(reach.peer(bad(1_200)), Some(Turn::Out { since_ns: 500 * MS }));
    }

    #[test]
    fn a_peer_that_fell_silent_has_no_say() {
        let mut reach = member();
        assert_eq!(reach.peer(good(100)), None);
        assert_eq!(reach.own(bad(1_000)), None);
        assert_eq!(reach.own(bad(2_000)), None);
        assert_eq!(reach.own(bad(2_200)), Some(Turn::Out { since_ns: 1_000 * MS }));
    }

    #[test]
    fn a_peer_alone_takes_nobody_out() {
        let mut reach = member();
        for ms in 0..100 {
            assert_eq!(reach.peer(bad(ms)), None);
        }
    }

    #[test]
    fn members_watch_those_that_follow() {
        let lists = watch_lists(&[(1, true), (2, true), (3, true)]);
        assert_eq!(lists, BTreeMap::from([(1, vec![2]), (2, vec![3]), (3, vec![1])]));
        let lists = watch_lists(&[(1, true), (2, false), (3, true)]);
        assert_eq!(lists, BTreeMap::from([(1, vec![2, 3]), (2, vec![]), (3, vec![1])]));
        let lists = watch_lists(&[(1, true), (2, false)]);
        assert_eq!(lists, BTreeMap::from([(1, vec![2]), (2, vec![])]));
        assert_eq!(watch_lists(&[(4, true)]), BTreeMap::from([(4, vec![])]));
        assert_eq!(watch_lists(&[(4, false), (5, false)]), BTreeMap::from([(4, vec![]), (5, vec![])]));
    }
}
