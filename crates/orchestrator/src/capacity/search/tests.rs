use proptest::prelude::*;

use super::*;
use crate::fault::mix;

const BOUNDS: Bounds = Bounds { start: 100, least: 1, most: 1_000_000, precision: 0.03, trials_max: 40 };

/// Searches a target that answers so; the answer and the trials that it took.
fn search(bounds: &Bounds, mut target: impl FnMut(u64, usize) -> Came) -> (Found, Vec<Tried>) {
    let mut tried = Vec::new();
    loop {
        match next(bounds, &tried) {
            Next::Found(found) => return (found, tried),
            Next::Try(level) => {
                assert!((bounds.least..=bounds.most).contains(&level), "{level}");
                let came = target(level, tried.len());
                tried.push((level, came));
                assert!(tried.len() <= bounds.trials_max as usize);
            }
        }
    }
}

fn sharp(limit: u64) -> impl FnMut(u64, usize) -> Came {
    move |level, _| if level <= limit { Came::Held } else { Came::Violated }
}

/// Fails the more often the further beyond its limit.
fn noisy(limit: f64, spread: f64, seed: u64) -> impl FnMut(u64, usize) -> Came {
    move |level, trial| {
        let fails = 1.0 / (1.0 + (-((level as f64).ln() - limit.ln()) / spread).exp());
        let drawn = mix(seed ^ (trial as u64 + 1).rotate_left(32)) as f64 / u64::MAX as f64;
        if drawn < fails { Came::Violated } else { Came::Held }
    }
}

#[test]
fn a_sharp_limit_takes_few_trials() {
    let (found, tried) = search(&BOUNDS, sharp(5_000));
    assert_eq!(found.by, LimitBy::Target);
    let estimate = found.estimate.expect("an answer");
    assert!((4_875.0..5_125.0).contains(&estimate), "{found:?}");
    assert!(found.low <= 5_001.0 && found.high.is_some_and(|high| high >= 5_000.0), "{found:?}");
    assert!(tried.len() <= 26, "{} trials: {tried:?}", tried.len());
}

#[test]
fn the_most_and_the_least_are_tried_twice() {
    let bounds = Bounds { most: 1_000, ..BOUNDS };
    let (found, tried) = search(&bounds, sharp(50_000));
    assert_eq!(found, Found { by: LimitBy::Most, estimate: None, low: 1_000.0, high: None });
    assert_eq!(tried.iter().filter(|(level, _)| *level == 1_000).count(), 2);
    let (found, tried) = search(&BOUNDS, sharp(0));
    assert_eq!(found, Found { by: LimitBy::Least, estimate: None, low: 0.0, high: Some(1.0) });
    assert_eq!(tried.iter().filter(|(level, _)| *level == 1).count(), 2);
}

#[test]
fn one_wrong_trial_at_an_end_takes_few_more() {
    let bounds = Bounds { most: 1_000, ..BOUNDS };
    let wrong = |level, trial| if trial == 5 { Came::Violated } else { sharp(50_000)(level, trial) };
    let (found, tried) = search(&bounds, wrong);
    assert_eq!(found, Found { by: LimitBy::Most, estimate: None, low: 1_000.0, high: None });
    assert!(tried.len() < 12, "{tried:?}");
    let bounds = Bounds { start: 10_000, least: 1_000, ..BOUNDS };
    let wrong = |level, trial| if trial == 5 { Came::Held } else { sharp(0)(level, trial) };
    let (found, tried) = search(&bounds, wrong);
    assert_eq!(found, Found { by: LimitBy::Least, estimate: None, low: 0.0, high: Some(1_000.0) });
    assert!(tried.len() < 12, "{tried:?}");
}

#[test]
fn the_generators_limit_is_not_the_targets() {
    let (found, _) = search(&BOUNDS, |level, _| if level <= 3_000 { Came::Held } else { Came::Generator });
    assert_eq!((found.by, found.estimate, found.high), (LimitBy::Generator, None, None));
    assert!((2_900.0..=3_060.0).contains(&found.low), "{found:?}");
    // Far above the target's limit the generator gives way, too.
    let (found, _) = search(&BOUNDS, |level, _| match level {
        0..=3_000 => Came::Held,
        3_001..=5_000 => Came::Violated,
        _ => Came::Generator,
    });
    assert_eq!(found.by, LimitBy::Target, "{found:?}");
}

#[test]
fn a_wrong_trial_on_the_way_up_is_found_out() {
    let target = |level, trial| if trial == 3 { Came::Violated } else { sharp(5_000)(level, trial) };
    let (found, tried) = search(&BOUNDS, target);
    let estimate = found.estimate.expect("an answer");
    assert!((4_750.0..5_250.0).contains(&estimate), "{found:?} {tried:?}");
}

#[test]
fn a_coin_is_no_limit() {
    let (found, tried) = search(&BOUNDS, |level, trial| match mix(level ^ trial as u64) % 2 {
        0 => Came::Held,
        _ => Came::Violated,
    });
    let width = found.high.expect("an interval") / found.low;
    assert!(tried.len() == 40 && found.by == LimitBy::Noise && width > 1.03, "{found:?}");
}

/// The interval is what it says: over many noisy targets it has the limit in it about as often as promised.
#[test]
fn the_interval_has_the_limit_in_it() {
    let (mut inside, mut close) = (0, 0);
    for seed in 0..60 {
        let limit = 700.0 + (seed * 37 % 1_000) as f64;
        let (found, _) = search(&BOUNDS, noisy(limit, 0.03, mix(seed)));
        let (low, high) = (found.low, found.high.unwrap_or(f64::MAX));
        inside += u32::from(low <= limit && limit <= high);
        close += u32::from(found.estimate.is_some_and(|estimate| (estimate / limit - 1.0).abs() < 0.05));
    }
    assert!(inside >= 52, "{inside} of 60 intervals");
    assert!(close >= 54, "{close} of 60 within 5 %");
}

#[test]
fn what_is_known_when_it_is_cut() {
    let tried = [(100, Came::Held), (200, Came::Held), (400, Came::Violated), (300, Came::Violated)];
    let found = so_far(&tried, LimitBy::Cut);
    assert_eq!(found, Found { by: LimitBy::Cut, estimate: None, low: 200.0, high: Some(300.0) });
    assert_eq!(so_far(&[], LimitBy::Cut).low, 0.0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_sharp_limit_is_found(limit in 1_u64..200_000, start in 1_u64..5_000) {
        let bounds = Bounds { start, trials_max: 60, ..BOUNDS };
        let (found, _) = search(&bounds, sharp(limit));
        prop_assert_eq!(found.by, LimitBy::Target);
        let estimate = found.estimate.expect("an answer");
        prop_assert!((estimate - limit as f64).abs() <= (limit as f64 * 0.05).max(1.0), "{:?} is not {}", found, limit);
    }

    #[test]
    fn every_search_ends_within_its_bounds(seed: u64, start in 1_u64..10_000, least in 1_u64..100, times in 1_u64..10_000) {
        let bounds = Bounds { start, least, most: least * times, ..BOUNDS };
        let (found, _) = search(&bounds, |level, trial| match mix(seed ^ level ^ trial as u64) % 3 {
            0 => Came::Held,
            1 => Came::Violated,
            _ => Came::Generator,
        });
        prop_assert!(found.high.is_none_or(|high| high >= found.low));
        let tried = bounds.least as f64..=bounds.most as f64;
        let mut figures = [found.estimate, found.high, Some(found.low).filter(|low| *low > 0.0)].into_iter().flatten();
        prop_assert!(figures.all(|figure| tried.contains(&figure)), "{:?} in {:?}", found, bounds);
    }
}
