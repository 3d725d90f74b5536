//! Which connections are too old, without a byte in any of them: generations are given out in order, so that it is enough
//! to know which was the last one at a few moments of the past.

use std::collections::VecDeque;

use crate::conn::wheel::TICK_NS;

/// Moments that are remembered, over the age that connections may have.
const STEPS_MAX: u64 = 64;
/// Connections that began together end over this part of their age.
const SPREAD: u64 = 8;

/// The last generation at the moments of the past, the oldest one first.
#[derive(Debug)]
pub(super) struct Ages {
    steps: usize,
    step_ns: u64,
    next_ns: u64,
    marks: VecDeque<u32>,
}

impl Ages {
    pub(super) fn new(now_ns: u64, age_max_ns: u64) -> Self {
        let steps = (age_max_ns / TICK_NS).clamp(1, STEPS_MAX);
        let step_ns = (age_max_ns / steps).max(1);
        let steps = steps as usize;
        Self { steps, step_ns, next_ns: now_ns.saturating_add(step_ns), marks: VecDeque::with_capacity(steps + 1) }
    }

    /// Time has gone on; `generation` is the last one that was given out.
    pub(super) fn turn(&mut self, now_ns: u64, generation: u32) {
        if now_ns < self.next_ns {
            return;
        }
        // After a jump of the clock all moments are the same one.
        let passed = (now_ns - self.next_ns) / self.step_ns + 1;
        for _ in 0..passed.min(self.steps as u64 + 1) {
            if self.marks.len() > self.steps {
                self.marks.pop_front();
            }
            self.marks.push_back(generation);
        }
        self.next_ns = self.next_ns.saturating_add(passed.saturating_mul(self.step_ns));
    }

    /// True where a connection has had its time: all of it, or up to an eighth less, by chance.
    pub(super) fn is_over(&self, generation: u32) -> bool {
        let missing = self.steps + 1 - self.marks.len();
        let early = self.early(generation);
        let Some(mark) = early.checked_sub(missing).and_then(|at| self.marks.get(at)) else { return false };
        mark.wrapping_sub(generation) as i32 >= 0
    }

    /// So many steps before the others of its time.
    fn early(&self, generation: u32) -> usize {
        let choices = self.steps as u64 / SPREAD + 1;
        // Fibonacci hashing: neighbours land far from each other.
        let chance = u64::from(generation.wrapping_mul(0x9E37_79B9));
        ((chance * choices) >> 32) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    /// How many of 1,000 connections that began in the first second are over after so many seconds of 64.
    fn over(ages: &mut Ages, first: u32, now_s: u64) -> usize {
        ages.turn(now_s * SECOND_NS, first.wrapping_add(999));
        (0..1_000).filter(|nth| ages.is_over(first.wrapping_add(*nth))).count()
    }

    #[test]
    fn connections_that_began_together_end_over_an_eighth_of_their_age() {
        // Also where generations begin anew meanwhile.
        for first in [1, u32::MAX - 500] {
            let mut ages = Ages::new(0, 64 * SECOND_NS);
            let counts: Vec<usize> = (1..=66).map(|now_s| over(&mut ages, first, now_s)).collect();
            assert!(counts[..56].iter().all(|count| *count == 0), "{counts:?}");
            assert!(counts.windows(2).all(|pair| pair[0] <= pair[1]), "{counts:?}");
            assert!((300..700).contains(&counts[60]), "about a half is over after 61 s: {counts:?}");
            assert_eq!(counts[64], 1_000, "all of them after 65");
            assert!(!ages.is_over(first.wrapping_add(1_000)), "the next one is young");
        }
    }

    #[test]
    fn a_short_age_has_fewer_steps_and_a_long_silence_none() {
        let mut ages = Ages::new(0, 3 * TICK_NS);
        ages.turn(TICK_NS, 7);
        ages.turn(3 * TICK_NS, 9);
        assert!(!ages.is_over(7) && !ages.is_over(9));
        ages.turn(4 * TICK_NS, 9);
        assert!(ages.is_over(7) && !ages.is_over(9), "it is over when it is one step older than it may be");
        ages.turn(1_000_000 * TICK_NS, 12);
        assert!(ages.is_over(12) && !ages.is_over(13));
        assert_eq!(ages.marks.len(), 4);
    }
}
