use std::time::Duration;

use erlmcp_record::SearchBounds;
use erlmcp_record::names::phase;
use erlmcp_report::slo::Slo;

use super::block::Block;
use super::stress::{baseline, cool_down, phase_of};
use super::{Found, Plan, Step};
use crate::{StressConfig, StressError};

/// What `erlmcp capacity` looks for, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Capacity {
    /// What a load must keep to count as carried.
    pub slo: Slo,
    pub axes: Axes,
    /// On which the most requests a second are sought; where the search for the most connections begins.
    pub connections: u64,
    /// Requests a second at which the most connections are sought; None: half of the most.
    pub rate: Option<f64>,
    /// Of the curve, between its ends.
    pub points: u32,
    /// Judged seconds of a trial, and those before them.
    pub trial: Duration,
    pub warmup: Duration,
    /// Where the search for the most requests a second begins.
    pub start_rate: u64,
    /// No more is tried.
    pub most_rate: u64,
    pub most_connections: u64,
    /// How wide an answer's 95 % interval may be, as a share of its lower end.
    pub precision: f64,
    /// Of one search, at most.
    pub trials_max: u32,
    /// Requests a second and connections that replicas are recommended for.
    pub wanted: Option<(f64, u64)>,
    /// Servers behind the target's addresses; found out by the run.
    pub replicas: u16,
}

/// What is sought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axes {
    /// The most requests a second.
    Rate,
    /// The most connections.
    Connections,
    /// Both, and the curve between them.
    Both,
}

/// From a trial that was too much until the target is steady again, at most.
pub(crate) const SETTLE_BOUND: Duration = Duration::from_secs(30);
/// Of a search, only for estimates: those that hold, and those that do not and are settled after.
const TRIALS: u32 = 16;
const SETTLED: Duration = Duration::from_secs(4);
const STARTED: Duration = Duration::from_secs(2);

/// Of all searches together: trials have ids of their phase, and so have the light loads between them.
const TRIALS_MAX: u32 = 1_000;

/// No trial's window is longer for the sake of a percentile.
const WINDOW_MAX: Duration = Duration::from_secs(60);

impl Capacity {
    /// Requests that a trial is given for its percentiles: random arrivals may be fewer than their rate has them, by four
    /// standard deviations at most.
    fn requests_needed(&self) -> f64 {
        let needed = self.slo.samples_needed() as f64;
        needed + 4.0 * needed.sqrt()
    }

    /// The seconds of a trial at this rate that are judged.
    pub(crate) fn window_s(&self, rate: f64) -> u32 {
        let needed_s = (self.requests_needed() / rate).ceil() as u32;
        (self.trial.as_secs() as u32).max(1).max(needed_s.min(WINDOW_MAX.as_secs() as u32))
    }

    /// The fewest requests a second at which a trial has enough of them for its percentiles.
    pub(crate) fn least_rate(&self) -> u64 {
        let window = self.trial.max(WINDOW_MAX);
        (self.requests_needed() / window.as_secs_f64()).ceil().max(1.0) as u64
    }

    /// What the record says that is tried.
    pub(crate) fn bounds(&self) -> SearchBounds {
        SearchBounds {
            most_rate: (self.axes != Axes::Connections).then_some(self.most_rate),
            most_connections: (self.axes != Axes::Rate).then_some(self.most_connections),
            trial_s: self.trial.as_secs() as u32,
            warmup_s: self.warmup.as_secs() as u32,
        }
    }

    fn searches(&self) -> u32 {
        match self.axes {
            Axes::Both => 2 + self.points,
            Axes::Rate | Axes::Connections => 1,
        }
    }

    pub(super) fn estimate(&self) -> Duration {
        self.searches() * TRIALS * (self.trial + self.warmup + STARTED + SETTLED / 2)
    }

    /// The longest that it can take.
    pub(crate) fn bound(&self) -> Duration {
        let a_trial = WINDOW_MAX + self.warmup + self.trial + SETTLE_BOUND;
        (2 + self.points) * self.trials_max * a_trial
    }

    /// Refuses what cannot be searched, in one sentence.
    pub(crate) fn check(&self) -> Result<(), StressError> {
        let usage = |what: &str| Err(StressError::usage(what));
        let whole_seconds = |duration: Duration| duration.subsec_nanos() == 0;
        match self {
            Self { trial, .. } if !whole_seconds(*trial) || !(1..=600).contains(&trial.as_secs()) => {
                usage("--trial must be whole seconds, from 1s to 10m")
            }
            Self { warmup, .. } if !whole_seconds(*warmup) || warmup.as_secs() > 600 => {
                usage("--warmup must be whole seconds, at most 10m")
            }
            Self { precision, .. } if !(0.001..=0.5).contains(precision) => {
                usage("--precision must be from 0.1 to 50 percent")
            }
            Self { connections, most_connections, .. } if !(1..=*most_connections).contains(connections) => {
                usage("--connections must be from 1 to --max-connections")
            }
            Self { start_rate, most_rate, .. } if !(1..=*most_rate).contains(start_rate) => {
                usage("--start-rate must be from 1 to --max-rate")
            }
            Self { rate: Some(rate), most_rate, .. } if !(1.0..=*most_rate as f64).contains(rate) => {
                usage("--rate must be from 1 to --max-rate")
            }
            Self { rate, most_rate, .. } if rate.unwrap_or(*most_rate as f64) < self.least_rate() as f64 => {
                let least = self.least_rate();
                let long = self.trial.max(WINDOW_MAX).as_secs();
                usage(&format!(
                    "--slo needs at least {least} req/s, for a percentile to have enough requests in {long} s"
                ))
            }
            Self { points, .. } if *points > 20 => usage("--points must be at most 20"),
            Self { trials_max, .. } if !(6..=200).contains(trials_max) => usage("--trials must be from 6 to 200"),
            _ if self.searches() * self.trials_max > TRIALS_MAX => {
                let most = TRIALS_MAX / self.searches();
                usage(&format!("--trials must be at most {most} with --points {}", self.points))
            }
            _ => Ok(()),
        }
    }
}

/// Baseline, the search, and the end: three phases of the same blocks as `stress`.
///
/// # Errors
/// Where nothing is sought.
pub fn capacity(config: &StressConfig, found: &Found) -> Result<Plan, StressError> {
    let Some(asked) = config.purpose.capacity() else { return Err(StressError::usage("nothing is sought: add --slo")) };
    let asked = Capacity { replicas: found.replicas, ..asked.clone() };
    let about = format!("The most load that keeps {}", asked.slo);
    let search = phase_of("Capacity", about, vec![Step::new("search", Block::Capacity(Box::new(asked)))]);
    let phases = [
        (phase::BASELINE, baseline(config, found)),
        (phase::CAPACITY, search),
        (phase::COOL_DOWN, cool_down(config, found)),
    ];
    Ok(Plan::numbered("capacity", phases))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::stress::tests::own_cluster;
    use super::*;
    use crate::Purpose;
    use crate::config::tests::plain;

    pub(crate) fn capacity() -> Capacity {
        Capacity {
            slo: "errors<1%".parse().expect("an objective"),
            axes: Axes::Both,
            connections: 1_000,
            rate: None,
            points: 3,
            trial: Duration::from_secs(2),
            warmup: Duration::from_secs(1),
            start_rate: 100,
            most_rate: 100_000,
            most_connections: 20_000,
            precision: 0.03,
            trials_max: 40,
            wanted: None,
            replicas: 1,
        }
    }

    #[test]
    fn a_search_is_three_phases() {
        let config = StressConfig { purpose: Purpose::Capacity(capacity()), ..plain() };
        let plan = super::capacity(&config, &own_cluster()).expect("a plan");
        let names: Vec<&str> = plan.phases.iter().map(|phase| phase.name.as_str()).collect();
        assert_eq!(names, ["baseline", "capacity", "cool_down"]);
        assert!(super::capacity(&plain(), &own_cluster()).is_err());
    }

    #[test]
    fn only_what_is_sought_is_bounded() {
        let bounds = Capacity { axes: Axes::Rate, ..capacity() }.bounds();
        assert_eq!((bounds.most_rate, bounds.most_connections), (Some(100_000), None));
        let bounds = Capacity { axes: Axes::Connections, ..capacity() }.bounds();
        assert_eq!((bounds.most_rate, bounds.most_connections), (None, Some(20_000)));
    }

    #[test]
    fn what_cannot_be_searched_is_refused() {
        assert_eq!(capacity().check(), Ok(()));
        assert_eq!(Capacity { points: 20, ..capacity() }.check(), Ok(()));
        assert_eq!(Capacity { axes: Axes::Rate, points: 20, trials_max: 200, ..capacity() }.check(), Ok(()));
        let wrong = [
            Capacity { trial: Duration::from_millis(1_500), ..capacity() },
            Capacity { precision: 0.0, ..capacity() },
            Capacity { connections: 30_000, ..capacity() },
            Capacity { start_rate: 0, ..capacity() },
            Capacity { rate: Some(0.5), ..capacity() },
            Capacity { rate: Some(18.0), slo: "p99<1s".parse().expect("an objective"), ..capacity() },
            Capacity { most_rate: 150, slo: "p99.9<1s".parse().expect("an objective"), ..capacity() },
            Capacity { points: 21, ..capacity() },
            Capacity { trials_max: 5, ..capacity() },
            Capacity { points: 20, trials_max: 200, ..capacity() },
        ];
        for asked in wrong {
            assert!(asked.check().is_err(), "{asked:?}");
        }
    }

    #[test]
    fn a_trial_has_enough_requests_for_its_percentile() {
        for slo in ["p50<1s", "p97<1s", "p99<1s", "p99.9<1s", "p99.99<1s"] {
            let asked = Capacity { slo: slo.parse().expect("an objective"), ..capacity() };
            let least = asked.least_rate();
            for rate in [least, least + 1, least * 10] {
                let requests = rate * u64::from(asked.window_s(rate as f64));
                assert!(requests >= asked.slo.samples_needed(), "{slo} at {rate}");
            }
        }
        assert_eq!(capacity().least_rate(), 1);
    }
}
