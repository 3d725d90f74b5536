//! What trials tell of a limit: its distribution, given which loads held and which did not.
//!
//! A load at level x does not hold with the probability lapse + (1 - 2 lapse) logistic((ln x - ln limit) / s). How
//! noisy the edge is (s) is not known: it is one of a few, each as likely as the others before the first trial. The
//! next level to try is the median, as in Watson and Pelli, "QUEST: a Bayesian adaptive psychometric method" (1983),
//! and Waeber, Frazier, Henderson, "Bisection search with noisy responses" (2013): on a sharp edge it is bisection, on a
//! noisy one it comes back to the edge until that is known.

/// How often a trial far from the edge comes out wrong.
const LAPSE: f64 = 0.02;
/// From a sharp edge to one that blurs an eighth of the load.
const SPREADS: [f64; 4] = [0.003, 0.01, 0.04, 0.12];
/// Levels of the limit that are told apart.
const POINTS: usize = 800;

/// The limit's distribution over levels between two of them, evenly apart by their logarithm.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Posterior {
    from: f64,
    step: f64,
    /// Sums to 1.
    weights: Vec<f64>,
}

impl Posterior {
    /// From trials, as (level, held): the limit lies between `from` and `to`, anywhere by its logarithm.
    pub(super) fn of(trials: &[(f64, bool)], (from, to): (f64, f64)) -> Self {
        let (from, to) = (from.ln(), to.ln());
        let step = (to - from) / (POINTS - 1) as f64;
        let log_weight = |limit: f64, spread: f64| -> f64 {
            let of_trial = |(level, held): &(f64, bool)| {
                let fails = LAPSE + (1.0 - 2.0 * LAPSE) * logistic((level.ln() - limit) / spread);
                if *held { (1.0 - fails).ln() } else { fails.ln() }
            };
            trials.iter().map(of_trial).sum()
        };
        let logs: Vec<[f64; SPREADS.len()]> =
            (0..POINTS).map(|at| SPREADS.map(|spread| log_weight(from + step * at as f64, spread))).collect();
        let most = logs.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut weights: Vec<f64> = logs.iter().map(|all| all.iter().map(|log| (log - most).exp()).sum()).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        Self { from, step, weights }
    }

    /// The level that the limit is below with this probability.
    pub(super) fn quantile(&self, probability: f64) -> f64 {
        let mut sum = 0.0;
        let at = self.weights.iter().position(|weight| {
            sum += weight;
            sum >= probability
        });
        (self.from + self.step * at.unwrap_or(POINTS - 1) as f64).exp()
    }
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_tried_is_anywhere() {
        let all = Posterior::of(&[], (100.0, 400.0));
        assert!((all.quantile(0.5) / 200.0 - 1.0).abs() < 0.01, "{}", all.quantile(0.5));
    }

    #[test]
    fn trials_close_in_on_the_limit() {
        let trials = [(100.0, true), (200.0, false), (140.0, true), (140.0, true), (150.0, false), (150.0, false)];
        let found = Posterior::of(&trials, (50.0, 400.0));
        let (low, middle, high) = (found.quantile(0.025), found.quantile(0.5), found.quantile(0.975));
        assert!((139.0..151.0).contains(&middle), "{middle}");
        assert!(low > 120.0 && high < 175.0, "{low} {high}");
    }

    #[test]
    fn contradictions_widen_it() {
        let width = |trials: &[(f64, bool)]| {
            let found = Posterior::of(trials, (50.0, 400.0));
            found.quantile(0.975) / found.quantile(0.025)
        };
        let clear = [(130.0, true), (130.0, true), (150.0, false), (150.0, false)];
        let muddled = [(130.0, false), (130.0, true), (150.0, true), (150.0, false)];
        assert!(width(&muddled) > 1.1 * width(&clear), "{} {}", width(&muddled), width(&clear));
    }
}
