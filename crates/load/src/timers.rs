//! One deadline a connection.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Deadlines in order. A connection has at most one that counts; others of it in the heap are stale and are
/// dropped when they come up. A later deadline is not entered as long as an earlier one stands: whoever is woken
/// looks at what is due and arms anew, so that a stream of requests costs one entry a timeout, not one a request.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(u64, u32)>>,
}

/// The deadline that stands for one connection; 0: none.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Armed(u64);

impl Timers {
    /// Wakes `key` at `at_us` or before.
    pub(crate) fn arm(&mut self, armed: &mut Armed, key: u32, at_us: u64) {
        let at_us = at_us.max(1);
        if armed.0 == 0 || at_us < armed.0 {
            armed.0 = at_us;
            self.heap.push(Reverse((at_us, key)));
        }
    }

    /// When the next connection is to be woken; stale deadlines included.
    pub(crate) fn next_us(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at_us, _))| *at_us)
    }

    /// The next connection whose deadline has come. `stands` is asked whether a deadline is the one that stands for
    /// its connection, and takes it away if so.
    pub(crate) fn pop(&mut self, now_us: u64, mut stands: impl FnMut(u32, Deadline) -> bool) -> Option<u32> {
        while self.next_us().is_some_and(|at_us| at_us <= now_us) {
            let Reverse((at_us, key)) = self.heap.pop()?;
            if stands(key, Deadline(at_us)) {
                return Some(key);
            }
        }
        None
    }
}

/// A deadline that has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(u64);

impl Armed {
    /// True where `deadline` is the one that stands; it does not any more.
    pub(crate) fn take(&mut self, deadline: Deadline) -> bool {
        let stands = self.0 == deadline.0;
        if stands {
            self.0 = 0;
        }
        stands
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_deadline_counts_and_the_stale_one_is_dropped() {
        let mut timers = Timers::default();
        let mut armed = [Armed::default(); 2];
        timers.arm(&mut armed[0], 0, 500);
        timers.arm(&mut armed[0], 0, 900);
        timers.arm(&mut armed[0], 0, 300);
        timers.arm(&mut armed[1], 1, 400);
        assert_eq!(timers.heap.len(), 3, "a later deadline is not entered");
        let mut woken = Vec::new();
        for now in (0..1_000).step_by(100) {
            while let Some(key) = timers.pop(now, |key, deadline| armed[key as usize].take(deadline)) {
                woken.push((now, key));
            }
        }
        assert_eq!(woken, [(300, 0), (400, 1)]);
        assert_eq!(timers.next_us(), None);
    }
}
