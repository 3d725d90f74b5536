//! How many retries a client may send: a tenth of its first attempts, and few enough beside them that a target in
//! trouble is not loaded further by those who want to know again.

/// One retry, in the parts that a budget is counted in.
const RETRY: u64 = 1_000;
/// What a first attempt earns. A little less than a tenth, so that those few that were saved stay within one.
const EARNED: u64 = 90;
/// Saved for single failures. A storm has to be paid for by what is begun meanwhile.
const SAVED_MAX: u64 = 3 * RETRY;
/// Retries a second that clients have which begin little or nothing, so that they can settle what they began.
pub(crate) const QUIET_RATE: f64 = 0.5;

/// A token bucket that first attempts fill; time fills it only where they do not. No retry is refused for good: it waits
/// until there is room for it.
#[derive(Debug, Clone)]
pub(crate) struct RetryBudget {
    saved: u64,
    /// By first attempts since the last pay for time.
    earned: u64,
    paid_us: u64,
    /// What time pays at least, retries a second.
    quiet_rate: f64,
    /// Time that pays for one retry where nothing is begun.
    period_us: u64,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::shared(1)
    }
}

impl RetryBudget {
    /// That of one of so many agents: time pays all of them together what it pays one.
    pub(crate) fn shared(agents: u32) -> Self {
        let quiet_rate = QUIET_RATE / f64::from(agents.max(1));
        Self { saved: SAVED_MAX, earned: 0, paid_us: 0, quiet_rate, period_us: period_us(quiet_rate) }
    }

    /// A first attempt is made.
    pub(crate) fn first(&mut self) {
        self.earned += EARNED;
        self.saved = (self.saved + EARNED).min(SAVED_MAX);
    }

    /// Takes one retry out, if there is one.
    pub(crate) fn take(&mut self, now_us: u64) -> bool {
        self.pay(now_us);
        let has = self.saved >= RETRY;
        self.saved -= if has { RETRY } else { 0 };
        has
    }

    /// One for what need not be: only where nothing else has taken any of late.
    pub(crate) fn spare(&mut self, now_us: u64) -> bool {
        self.pay(now_us);
        self.saved >= SAVED_MAX && self.take(now_us)
    }

    /// When to ask again after there was none; whatever is begun before may earn one sooner.
    pub(crate) fn next_us(&self) -> u64 {
        if self.saved >= RETRY { 0 } else { self.paid_us + self.period_us }
    }

    /// From now on so many a second where fewer are earned; never fewer than a quiet client's.
    pub(crate) fn at_least(&mut self, rate: f64, now_us: u64) {
        let period_us = period_us(rate.max(self.quiet_rate));
        if period_us != self.period_us {
            self.pay(now_us);
            // Time that has passed is not paid for at the new rate.
            self.paid_us = self.paid_us.max(now_us.saturating_sub(period_us));
            self.period_us = period_us;
        }
    }

    /// What was saved in calm is of no use in a storm.
    pub(crate) fn spend_all(&mut self, now_us: u64) {
        self.pay(now_us);
        self.saved = 0;
        (self.earned, self.paid_us) = (0, now_us);
    }

    /// Time pays what first attempts have not.
    fn pay(&mut self, now_us: u64) {
        let periods = now_us.saturating_sub(self.paid_us) / self.period_us;
        if periods == 0 {
            return;
        }
        let missing = periods.saturating_mul(RETRY).saturating_sub(self.earned);
        self.saved = self.saved.saturating_add(missing).min(SAVED_MAX);
        self.earned = 0;
        self.paid_us += periods * self.period_us;
    }
}

fn period_us(rate: f64) -> u64 {
    ((1e6 / rate) as u64).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: u64 = 1_000_000;

    /// Takes whenever it can while `rate` first attempts a second are made for so many seconds.
    fn taken(budget: &mut RetryBudget, rate: u64, seconds: u64) -> u64 {
        let mut retries = 0;
        for number in 0..rate * seconds {
            budget.first();
            let now_us = number * S / rate;
            while budget.take(now_us) {
                retries += 1;
            }
        }
        retries
    }

    #[test]
    fn retries_are_less_than_a_tenth_of_first_attempts() {
        let mut budget = RetryBudget::default();
        assert_eq!(taken(&mut budget, 1_000, 10), 902, "three were saved");
        let mut budget = RetryBudget::default();
        budget.spend_all(0);
        let retries = taken(&mut budget, 20, 10);
        assert!((17..=20).contains(&retries), "{retries} of 200");
    }

    #[test]
    fn a_quiet_client_has_a_few_and_waits_for_them() {
        let mut budget = RetryBudget::default();
        assert!([budget.take(0), budget.take(0), budget.take(0)].iter().all(|has| *has));
        assert!(!budget.take(S));
        assert_eq!(budget.next_us(), 2 * S);
        assert!(budget.take(2 * S) && !budget.take(2 * S));
        assert!(budget.take(3_600 * S), "it may save again");
        assert!(budget.spare(7_200 * S) && !budget.spare(7_200 * S), "others come first");
    }

    #[test]
    fn many_agents_together_have_no_more_retries_than_one() {
        // Four first attempts a second of each of 60: time alone would pay each more.
        let mut budget = RetryBudget::shared(60);
        budget.spend_all(0);
        let retries = taken(&mut budget, 4, 60);
        assert!((20..=24).contains(&retries), "{retries} of 240");
    }

    #[test]
    fn a_rate_that_is_asked_for_holds_from_then_on() {
        let mut budget = RetryBudget::default();
        budget.spend_all(0);
        budget.at_least(100.0, 1_000_000);
        let retries: u64 = (0..1_000).map(|ms| u64::from(budget.take(S + ms * 1_000))).sum();
        assert!((99..=102).contains(&retries), "{retries}");
        budget.at_least(0.0, 2 * S);
        while budget.take(2 * S) {}
        assert!(!budget.take(2 * S + 500_000), "as quiet as before");
    }

    proptest! {
        /// Whatever comes when: no more than a tenth of what was begun, or what time pays, and the few that were saved.
        #[test]
        fn never_more_than_was_earned(steps in proptest::collection::vec((0..400_000_u64, any::<bool>()), 1..400)) {
            let mut budget = RetryBudget::default();
            let (mut now_us, mut firsts, mut retries) = (0, 0_u64, 0_u64);
            for (wait_us, is_first) in steps {
                now_us += wait_us;
                if is_first {
                    firsts += 1;
                    budget.first();
                }
                retries += u64::from(budget.take(now_us));
                let paid = (now_us as f64 / 1e6 * QUIET_RATE) as u64;
                prop_assert!(retries <= 3 + firsts / 10 + paid + 1, "{} of {} in {} us", retries, firsts, now_us);
            }
        }
    }
}
