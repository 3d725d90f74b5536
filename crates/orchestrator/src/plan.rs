//! What a run will do, before it does anything: phases, made from blocks.

use std::time::Duration;

mod block;
mod capacity;
mod chaos;
mod choose;
mod comprehensive;
mod found;
mod overflow;
mod share;
mod stress;
mod visit;

pub use block::{
    Block, Burst, Close, Connect, Fault, Faults, Load, Operations, Probe, RateSweep, Readdress, Streams, Variant,
};
pub(crate) use block::{RATES_MAX, RECOVERY_BOUND, REFUSAL_BOUND, START_DELAY};
pub(crate) use capacity::SETTLE_BOUND;
pub use capacity::{Axes, Capacity, capacity};
pub use chaos::chaos;
pub(crate) use choose::choose;
pub use comprehensive::{SUITE_PHASES, comprehensive};
pub(crate) use found::FLOOD_EXCESS;
pub use found::{ChangeBy, Found, Fronts, Offers, QueueFacts, Visits};
pub use overflow::Overflow;
pub(crate) use share::{agents_for, rate_share, share};
pub use stress::{STRESS_PHASES, stress};
pub use visit::{Scaling, Visit, Visiting};

#[cfg(test)]
pub(crate) use capacity::tests;

/// "60 s", "1.3 s", "333 ms".
pub(crate) fn in_words(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        _ => format!("{} s", (duration.as_secs_f64() * 10.0).round() / 10.0),
    }
}

/// A list of phases, in the order in which they run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// "stress": the record's `command`.
    pub name: String,
    pub phases: Vec<PhasePlan>,
}

/// One phase of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct PhasePlan {
    /// From 1.
    pub number: u8,
    /// As the record names it: "ramp_up".
    pub name: String,
    /// As people read it: "Ramp Up".
    pub title: String,
    /// One line of what it is for: "Establish 100K connections".
    pub about: String,
    pub steps: Vec<Step>,
    /// Why it will not be run; None where it will.
    pub skip: Option<String>,
}

/// One block of a phase, with what it is there for.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// In words: "sustained load".
    pub name: String,
    /// The scenario that it is, as the record names it: "node_failure". None for a plain part of its phase.
    pub scenario: Option<String>,
    /// Only prepares what others measure: no lines of its own.
    pub quiet: bool,
    pub block: Block,
    /// Why it will not be run; None where it will.
    pub skip: Option<String>,
}

impl Step {
    /// A plain part of its phase.
    pub fn new(name: &str, block: Block) -> Self {
        Self { name: name.into(), scenario: None, quiet: false, block, skip: None }
    }

    /// A preparation without lines of its own.
    pub fn quiet(name: &str, block: Block) -> Self {
        Self { quiet: true, ..Self::new(name, block) }
    }

    /// A scenario, judged by itself.
    pub fn scenario(scenario: &str, name: &str, block: Block) -> Self {
        Self { scenario: Some(scenario.into()), ..Self::new(name, block) }
    }

    /// The same, not to be run for `reason`, if there is one.
    pub fn skipped(self, reason: Option<String>) -> Self {
        Self { skip: reason, ..self }
    }

    /// How long it is planned to take.
    pub fn estimate(&self) -> Duration {
        if self.skip.is_some() { Duration::ZERO } else { self.block.estimate() }
    }
}

impl PhasePlan {
    /// How long it is planned to take; zero where it is skipped.
    pub fn estimate(&self) -> Duration {
        if self.skip.is_some() { Duration::ZERO } else { self.steps.iter().map(Step::estimate).sum() }
    }

    /// How many scenarios are in it, those to be skipped included.
    pub fn scenarios(&self) -> u32 {
        self.steps.iter().filter(|step| step.scenario.is_some()).count() as u32
    }
}

impl Plan {
    /// These phases, each under its name, numbered from 1.
    pub(crate) fn numbered(name: &str, phases: impl IntoIterator<Item = (&'static str, PhasePlan)>) -> Self {
        let numbered = (1..).zip(phases);
        let phases = numbered.map(|(number, (name, body))| PhasePlan { number, name: name.into(), ..body });
        Self { name: name.into(), phases: phases.collect() }
    }

    /// How long all phases together are planned to take.
    pub fn estimate(&self) -> Duration {
        self.phases.iter().map(PhasePlan::estimate).sum()
    }
}
