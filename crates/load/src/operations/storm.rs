//! Many operations over a store that comes and goes, on a simulated clock: whatever the seed, retries stay within their
//! budget from the beginning of any trouble on, and every operation ends with a fate that is true. `ERLMCP_SEED=N` plays one seed again,
//! `ERLMCP_SEEDS=N` plays so many (CONTRIBUTING.md).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use erlmcp_record::operations::Reason;

use super::course::{Course, End, Next};
use crate::random::Random;
use crate::retry::{QUIET_RATE, RetryBudget};

const S: u64 = 1_000_000;
const LANES: usize = 16;
const OPERATIONS: u64 = 1_500;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Trouble {
    Refuses,
    /// It is done, and the answer is lost.
    LosesAnswers,
    Gone,
}

/// One operation of a lane, and what the store knows of it.
#[derive(Debug)]
struct Lane {
    course: Course,
    next: Next,
    is_done: bool,
    is_never: bool,
    last: Option<End>,
}

struct World {
    seed: u64,
    random: Random,
    budget: RetryBudget,
    now_us: u64,
    /// In their order, one after another.
    troubles: Vec<(u64, u64, Trouble)>,
    /// First attempts and retries since the beginning of all, and of each trouble.
    since: Vec<(u64, u64, u64)>,
    begun: u64,
    settled: u64,
    due: BinaryHeap<Reverse<(u64, usize)>>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, 77);
        let mut from_us = 0;
        let troubles = (0..6).map(|_| {
            from_us += S / 2 + random.below(4 * S);
            let until_us = from_us + random.below(3 * S);
            let kinds = [Trouble::Refuses, Trouble::LosesAnswers, Trouble::Gone];
            let trouble = (from_us, until_us, kinds[random.below(3) as usize]);
            from_us = until_us;
            trouble
        });
        let troubles: Vec<_> = troubles.collect();
        let starts = std::iter::once(0).chain(troubles.iter().map(|(from_us, _, _)| *from_us));
        let since = starts.map(|from_us| (from_us, 0, 0)).collect();
        let budget = RetryBudget::default();
        let due = (0..LANES).map(|lane| Reverse((random.below(S / 10), lane))).collect();
        Self { seed, random, budget, now_us: 0, troubles, since, begun: 0, settled: 0, due }
    }

    fn trouble(&self) -> Option<Trouble> {
        let now = self.troubles.iter().find(|(from_us, until_us, _)| (*from_us..*until_us).contains(&self.now_us));
        now.map(|(_, _, trouble)| *trouble)
    }

    /// An attempt is made; none beyond what was saved and earned since whenever, and the parts of one at either end.
    fn count(&mut self, is_first: bool) {
        for (from_us, firsts, retries) in self.since.iter_mut().filter(|(from_us, _, _)| *from_us <= self.now_us) {
            *firsts += u64::from(is_first);
            *retries += u64::from(!is_first);
            let seconds = (self.now_us - *from_us) as f64 / S as f64;
            let paid = (seconds * QUIET_RATE) as u64 + 1;
            assert!(
                *retries <= 3 + paid.max(*firsts / 10) + 2,
                "seed {}: {retries} of {firsts} in {seconds} s",
                self.seed
            );
        }
    }

    fn attempted(&mut self, lane: &mut Lane) -> End {
        match self.trouble() {
            None if lane.is_never => End::Settled(Reason::Never),
            None => {
                lane.is_done = true;
                End::Ok
            }
            Some(Trouble::Refuses) => End::Fail { reason: Reason::Refused, after_us: Some(S) },
            Some(Trouble::Gone) => End::Fail { reason: Reason::ConnectRefused, after_us: None },
            Some(Trouble::LosesAnswers) => {
                lane.is_done |= !lane.is_never;
                End::Info(Reason::Reset)
            }
        }
    }

    fn asked(&self, lane: &mut Lane) -> Option<Reason> {
        if self.trouble().is_some() {
            return None;
        }
        lane.is_never |= !lane.is_done;
        Some(if lane.is_done { Reason::Done } else { Reason::Never })
    }

    /// Until its next step, which it gives; None: its operation is over.
    fn step(&mut self, lane: &mut Lane) -> Option<u64> {
        lane.next = match lane.next {
            Next::Attempt { number, .. } => {
                if number == 1 {
                    self.count(true);
                }
                let end = self.attempted(lane);
                lane.last = Some(end);
                let next = lane.course.attempted(end, (&mut self.budget, self.now_us), &mut self.random);
                if matches!(next, Next::Attempt { .. }) {
                    // It is paid for now, and made after its wait.
                    self.count(false);
                }
                next
            }
            Next::Ask { .. } => {
                let settled = self.asked(lane);
                lane.course.asked(settled, &mut self.random)
            }
            Next::Over => Next::Over,
        };
        match lane.next {
            Next::Attempt { after_us, .. } | Next::Ask { after_us } => Some(after_us),
            Next::Over => None,
        }
    }

    fn run(&mut self) {
        let mut lanes: Vec<Option<Lane>> = (0..LANES).map(|_| None).collect();
        while let Some(Reverse((at_us, number))) = self.due.pop() {
            self.now_us = at_us;
            if lanes[number].is_none() {
                if self.begun == OPERATIONS {
                    continue;
                }
                self.begun += 1;
                self.budget.first();
                let next = Next::Attempt { number: 1, after_us: 0 };
                lanes[number] =
                    Some(Lane { course: Course::begin(), next, is_done: false, is_never: false, last: None });
            }
            let Some(mut lane) = lanes[number].take() else { continue };
            let after_us = self.step(&mut lane).unwrap_or_else(|| {
                assert!(lane.is_done != lane.is_never, "seed {}: {lane:?}", self.seed);
                assert!(lane.last != Some(End::Ok) || lane.is_done, "seed {}: {lane:?}", self.seed);
                self.settled += 1;
                self.random.below(S / 5)
            });
            if lane.next != Next::Over {
                lanes[number] = Some(lane);
            }
            self.due.push(Reverse((at_us + after_us.max(1), number)));
        }
    }
}

/// The one of `ERLMCP_SEED`, or as many as `ERLMCP_SEEDS` says.
fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("it is a number"));
    match number("ERLMCP_SEED") {
        Some(one) => one..one + 1,
        None => 0..number("ERLMCP_SEEDS").unwrap_or(1_000),
    }
}

#[test]
fn a_storm_is_never_more_than_the_budget_and_leaves_nothing_unsettled() {
    let (mut retries, seeds) = (0, seeds());
    let played = seeds.end - seeds.start;
    for seed in seeds {
        let mut world = World::new(seed);
        world.run();
        assert_eq!((world.begun, world.settled), (OPERATIONS, OPERATIONS), "seed {seed}");
        retries += world.since[0].2;
    }
    assert!(retries > played, "there was something to try again: {retries}");
}
