//! Is an agent that has joined still there, and how far is its clock from ours? Decided without IO.

use std::time::Duration;

/// Between two questions for the time.
pub(super) const EVERY: Duration = Duration::from_millis(250);
/// Questions in a row after which nothing at all was heard. With the next one it is gone: 1.75 s after its last word. They
/// are counted, not timed, so that an orchestrator that came late to all of them blames nobody.
const UNHEARD_MAX: u32 = 6;
/// Answers, one after another, of which the quickest is the first comparison.
const FIRST: u32 = 8;
/// Answers of which the quickest is one more comparison: those of ten seconds.
const WINDOW: u32 = 40;

/// A clock compared with ours, nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Offset {
    /// Its CLOCK_MONOTONIC less ours.
    pub(crate) ns: i64,
    /// That is not further from the truth.
    pub(crate) uncertainty_ns: u64,
}

/// What an answer leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// It is asked again at once.
    AskAgain,
    /// The first comparison, which its clock is mapped by.
    First(Offset),
    /// Another one: what is left of that.
    Again(Offset),
    Nothing,
}

#[derive(Debug, Default)]
pub(super) struct Pulse {
    unheard: u32,
    first: Option<Offset>,
    answers: u32,
    best: Option<Offset>,
}

impl Pulse {
    /// It said something.
    pub(super) fn heard(&mut self) {
        self.unheard = 0;
    }

    /// It is time for a question. False: it is gone.
    pub(super) fn asks(&mut self) -> bool {
        self.unheard += 1;
        self.unheard <= UNHEARD_MAX
    }

    /// It was asked at `asked_ns`, said that it was `is_ns`, and that was heard at `now_ns`. The truth lies between the
    /// two, so the middle is wrong by half of the way at most.
    pub(super) fn answered(&mut self, asked_ns: u64, is_ns: u64, now_ns: u64) -> Answered {
        let half_ns = now_ns.saturating_sub(asked_ns) / 2;
        let offset = Offset { ns: is_ns.wrapping_sub(asked_ns + half_ns) as i64, uncertainty_ns: half_ns + 1 };
        if self.best.is_none_or(|best| offset.uncertainty_ns < best.uncertainty_ns) {
            self.best = Some(offset);
        }
        self.answers += 1;
        match self.first {
            None if self.answers < FIRST => Answered::AskAgain,
            Some(_) if self.answers < WINDOW => Answered::Nothing,
            None => {
                self.first = self.take_best();
                self.first.map_or(Answered::Nothing, Answered::First)
            }
            Some(_) => self.rest().map_or(Answered::Nothing, Answered::Again),
        }
    }

    /// What was not told yet, at the end.
    pub(super) fn rest(&mut self) -> Option<Offset> {
        let (first, best) = (self.first?, self.take_best()?);
        Some(Offset { ns: best.ns.wrapping_sub(first.ns), uncertainty_ns: best.uncertainty_ns })
    }

    fn take_best(&mut self) -> Option<Offset> {
        self.answers = 0;
        self.best.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_nothing_is_gone_before_two_seconds_are_over() {
        let mut pulse = Pulse::default();
        assert!(pulse.asks());
        pulse.heard();
        let questions = (1..).find(|_| !pulse.asks()).expect("it is gone at some time");
        let since = EVERY * questions;
        assert!(since <= Duration::from_secs(2) && since > Duration::from_secs(1), "{since:?}");
        pulse.heard();
        assert!(pulse.asks(), "any word is a sign of life");
    }

    #[test]
    fn the_quickest_answer_counts() {
        let mut pulse = Pulse::default();
        // Its clock is an hour ahead; the answers take from 100 us to 8 ms there and back, not evenly.
        let hour = 3_600_000_000_000u64;
        let mut answers = (1..=FIRST).rev().map(|n| {
            let way = if n == 1 { 100_000 } else { u64::from(n) * 1_000_000 };
            pulse.answered(1_000, 1_000 + way / 4 + hour, 1_000 + way)
        });
        assert!(answers.by_ref().take(FIRST as usize - 1).all(|answer| answer == Answered::AskAgain));
        let Some(Answered::First(offset)) = answers.next() else { panic!("these are enough") };
        assert_eq!(offset.uncertainty_ns, 50_001);
        assert!(offset.ns.abs_diff(hour as i64) <= offset.uncertainty_ns, "{offset:?}");
    }

    #[test]
    fn a_clock_that_was_reset_to_a_smaller_number_is_compared_all_the_same() {
        let mut pulse = Pulse::default();
        let offsets: Vec<Answered> = (0..FIRST).map(|_| pulse.answered(5_000_000, 1_000, 5_000_000)).collect();
        let Some(Answered::First(offset)) = offsets.last() else { panic!("compared") };
        assert_eq!(offset.ns, 1_000 - 5_000_000);
    }

    #[test]
    fn later_comparisons_say_what_is_left() {
        let mut pulse = Pulse::default();
        for _ in 0..FIRST {
            pulse.answered(0, 1_000_000, 0);
        }
        let mut last = Answered::Nothing;
        for _ in 0..WINDOW {
            assert_eq!(last, Answered::Nothing);
            last = pulse.answered(0, 1_000_300, 0);
        }
        assert_eq!(last, Answered::Again(Offset { ns: 300, uncertainty_ns: 1 }));
        assert_eq!(pulse.rest(), None, "all was told");
    }
}
