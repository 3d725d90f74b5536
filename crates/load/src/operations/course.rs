//! What an attempt's end means for its operation: tried again, asked about, or over. No IO, no clock.

use erlmcp_record::operations::Reason;

use crate::random::Random;
use crate::retry::RetryBudget;

/// Attempts of one operation, at most.
pub(super) const ATTEMPTS_MAX: u8 = 3;
/// Waits grow from the first to the last of these, in microseconds, and are never longer than the server's own word.
const WAIT_MIN_US: u64 = 50_000;
const WAIT_MAX_US: u64 = 2_000_000;
const RETRY_AFTER_MAX_US: u64 = 5_000_000;

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Ok,
    /// It certainly did nothing. `after_us`: the server's Retry-After.
    Fail {
        reason: Reason,
        after_us: Option<u64>,
    },
    /// What it did is not known.
    Info(Reason),
    /// The store has settled the operation: done, never, cancelled, expired or indeterminate.
    Settled(Reason),
}

/// What comes next for an operation, and after how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Attempt { number: u8, after_us: u64 },
    Ask { after_us: u64 },
    Over,
}

/// One operation, from its first attempt until its fate is known.
#[derive(Debug)]
pub(super) struct Course {
    attempts: u8,
    waits: u32,
    /// Some attempt's end is not known.
    is_unknown: bool,
}

impl Course {
    /// Its first attempt is to be made.
    pub(super) fn begin() -> Self {
        Self { attempts: 1, waits: 0, is_unknown: false }
    }

    /// An attempt has ended. Where the budget has no retry for it now, the store is asked what came of it instead, which
    /// loads nobody with more work.
    pub(super) fn attempted(
        &mut self,
        end: End,
        (budget, now_us): (&mut RetryBudget, u64),
        random: &mut Random,
    ) -> Next {
        let after_us = match end {
            End::Ok | End::Settled(_) => return Next::Over,
            // Sent again it would fare no better.
            End::Fail { reason: Reason::OtherPayload | Reason::BadRequest, .. } if !self.is_unknown => {
                return Next::Over;
            }
            End::Fail { reason: Reason::OtherPayload | Reason::BadRequest, .. } => return self.ask(random),
            End::Fail { after_us, .. } => after_us,
            End::Info(_) => {
                self.is_unknown = true;
                None
            }
        };
        if self.attempts >= ATTEMPTS_MAX || !budget.take(now_us) {
            return self.ask(random);
        }
        self.attempts += 1;
        let after_us = self.wait_us(random).max(after_us.unwrap_or(0).min(RETRY_AFTER_MAX_US));
        Next::Attempt { number: self.attempts, after_us }
    }

    /// The store was asked. None: it did not answer, or the operation is running.
    pub(super) fn asked(&mut self, settled: Option<Reason>, random: &mut Random) -> Next {
        if settled.is_some() { Next::Over } else { self.ask(random) }
    }

    fn ask(&mut self, random: &mut Random) -> Next {
        Next::Ask { after_us: self.wait_us(random) }
    }

    fn wait_us(&mut self, random: &mut Random) -> u64 {
        let wait_us = (WAIT_MIN_US << self.waits.min(10)).min(WAIT_MAX_US);
        self.waits += 1;
        random.jitter(wait_us)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn random() -> Random {
        Random::new(1, 2)
    }

    fn refused(after_us: u64) -> End {
        End::Fail { reason: Reason::Refused, after_us: Some(after_us) }
    }

    #[test]
    fn what_is_refused_is_tried_again_after_the_servers_word() {
        let (mut course, mut budget) = (Course::begin(), RetryBudget::default());
        let next = course.attempted(refused(1_000_000), (&mut budget, 0), &mut random());
        assert_eq!(next, Next::Attempt { number: 2, after_us: 1_000_000 });
        let next = course.attempted(refused(3_600_000_000), (&mut budget, 0), &mut random());
        assert_eq!(next, Next::Attempt { number: 3, after_us: RETRY_AFTER_MAX_US });
        let next = course.attempted(refused(0), (&mut budget, 0), &mut random());
        assert!(matches!(next, Next::Ask { .. }), "three attempts, then the store is asked: {next:?}");
        assert!(matches!(course.asked(None, &mut random()), Next::Ask { .. }));
        assert_eq!(course.asked(Some(Reason::Never), &mut random()), Next::Over);
    }

    #[test]
    fn what_cannot_succeed_is_not_tried_again() {
        let bad = End::Fail { reason: Reason::BadRequest, after_us: None };
        let mut budget = RetryBudget::default();
        assert_eq!(Course::begin().attempted(bad, (&mut budget, 0), &mut random()), Next::Over);
        let mut course = Course::begin();
        let next = course.attempted(End::Info(Reason::Reset), (&mut budget, 0), &mut random());
        assert!(matches!(next, Next::Attempt { number: 2, .. }));
        let next = course.attempted(bad, (&mut budget, 0), &mut random());
        assert!(matches!(next, Next::Ask { .. }), "the first attempt may have been carried out: {next:?}");
    }

    #[test]
    fn retries_are_less_than_a_tenth_of_what_is_begun() {
        let (mut budget, mut random) = (RetryBudget::default(), random());
        let mut retries = 0;
        for _ in 0..10_000 {
            budget.first();
            let next = Course::begin().attempted(End::Info(Reason::TimedOut), (&mut budget, 0), &mut random);
            retries += u64::from(matches!(next, Next::Attempt { .. }));
        }
        assert_eq!(retries, 902);
    }

    fn any_end() -> impl Strategy<Value = End> {
        prop_oneof![
            Just(End::Ok),
            Just(End::Info(Reason::Reset)),
            Just(End::Settled(Reason::Done)),
            (
                proptest::sample::select(&[
                    Reason::Refused,
                    Reason::Running,
                    Reason::BadRequest,
                    Reason::ConnectRefused
                ]),
                any::<Option<u64>>()
            )
                .prop_map(|(reason, after_us)| End::Fail { reason, after_us }),
        ]
    }

    proptest! {
        /// Whatever happens: at most three attempts, no wait without a bound, and the end comes only when the fate is known.
        #[test]
        fn a_course_ends_with_a_fate(ends in proptest::collection::vec(any_end(), 3), asked in 0..20_usize, seed in any::<u64>()) {
            let mut random = Random::new(seed, 0);
            let (mut course, mut budget) = (Course::begin(), RetryBudget::default());
            let (mut attempts, mut is_unknown) = (0, false);
            let mut next = Next::Attempt { number: 1, after_us: 0 };
            let mut asks = 0;
            loop {
                next = match next {
                    Next::Attempt { number, after_us } => {
                        prop_assert!(after_us <= RETRY_AFTER_MAX_US);
                        attempts += 1;
                        prop_assert_eq!(number, attempts);
                        let end = ends[usize::from(attempts) - 1];
                        is_unknown |= matches!(end, End::Info(_));
                        let next = course.attempted(end, (&mut budget, 0), &mut random);
                        if next == Next::Over {
                            prop_assert!(!is_unknown || matches!(end, End::Ok | End::Settled(_)));
                            break;
                        }
                        next
                    }
                    Next::Ask { after_us } => {
                        prop_assert!((WAIT_MIN_US / 2..=2 * WAIT_MAX_US).contains(&after_us));
                        asks += 1;
                        course.asked((asks > asked).then_some(Reason::Never), &mut random)
                    }
                    Next::Over => break,
                };
            }
            prop_assert!(attempts <= ATTEMPTS_MAX);
        }
    }
}
