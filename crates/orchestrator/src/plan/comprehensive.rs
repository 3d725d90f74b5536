use erlmcp_record::names::phase;

use super::stress::{LEFT_OUT, close_all, cool_down, ramp};
use super::{Found, PhasePlan, Plan, Step, choose};
use crate::{StressConfig, StressError};

mod connectivity;
mod distribution;
mod failover;
mod failures;
mod integration;
mod limits;
mod scaling;
mod sustained;

/// The phases of `comprehensive`, as records and `--phases` name them. A cool-down follows whichever are run.
pub const SUITE_PHASES: [&str; 8] = phase::SUITE;

/// How the run's connections stand between two phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// None is open.
    Empty,
    /// All of them are open.
    Full,
}

/// A phase, and how the run's connections stand before and after it.
pub(super) struct Body {
    pub(super) plan: PhasePlan,
    pub(super) begins: Stand,
    pub(super) ends: Stand,
}

type Plans = fn(&StressConfig, &Found) -> Body;

const BODIES: [Plans; 8] = [
    connectivity::body,
    scaling::body,
    sustained::body,
    distribution::body,
    failures::body,
    limits::body,
    failover::body,
    integration::body,
];

/// The eight phases and the cool-down, for what was asked and what was found.
///
/// # Errors
/// Where a phase was asked for that is none of them.
pub fn comprehensive(config: &StressConfig, found: &Found) -> Result<Plan, StressError> {
    let chosen = choose(&config.phases, &SUITE_PHASES)?;
    let mut stand = Stand::Empty;
    let mut phases = Vec::new();
    for (index, body) in BODIES.into_iter().enumerate() {
        let Body { plan, begins, ends } = body(config, found);
        let mut planned = PhasePlan { number: index as u8 + 1, name: SUITE_PHASES[index].into(), ..plan };
        if !chosen[index] {
            planned.skip = Some(LEFT_OUT.into());
        } else if planned.skip.is_none() && planned.steps.iter().all(|step| step.skip.is_some()) {
            planned.skip = planned.steps.first().and_then(|step| step.skip.clone());
        }
        if planned.skip.is_none() {
            let change = match (stand, begins) {
                (Stand::Empty, Stand::Full) => Some(Step::quiet("opening the connections first", ramp(config))),
                (Stand::Full, Stand::Empty) => Some(Step::quiet("closing first", close_all(config))),
                _ => None,
            };
            planned.steps.splice(0..0, change);
            stand = ends;
        }
        phases.push(planned);
    }
    let number = SUITE_PHASES.len() as u8 + 1;
    phases.push(PhasePlan { number, name: phase::COOL_DOWN.into(), ..cool_down(config, found) });
    Ok(Plan { name: "comprehensive".into(), phases })
}

#[cfg(test)]
mod tests;
