use std::time::Duration;

use crate::phase::audit_bound;
use crate::plan::{Block, Fault, PhasePlan, RECOVERY_BOUND, REFUSAL_BOUND};

/// A phase that takes this many times its estimate, and two minutes more, is given up.
const SLOWER_MAX: u32 = 5;
const GRACE_US: u64 = 120_000_000;
/// What was cut ends within a request's timeout and this.
const CUT_US: u64 = 15_000_000;

/// How long a phase is waited for. Each block has its own bounds; this one is for an agent that says nothing.
#[derive(Debug, Default)]
pub(super) struct Patience {
    ends_us: Option<u64>,
}

impl Patience {
    /// Of a phase that begins now, with so many operations a second under way.
    pub(super) fn for_phase(plan: &PhasePlan, (now_us, timeout_us): (u64, u64), rate: f64) -> Self {
        let begun =
            plan.steps.iter().map(|step| if let Block::Operations(begun) = &step.block { begun.rate } else { 0.0 });
        let (rate, ends) = (rate + begun.sum::<f64>(), Duration::from_micros(now_us) + plan.estimate());
        let bounds = plan.steps.iter().map(|step| match &step.block {
            Block::Fault(Fault::QueueOverflow { .. }) | Block::Burst(_) => 3 * RECOVERY_BOUND + 2 * REFUSAL_BOUND,
            // A fault that is not over after its bounds, and the load that is waited for after it.
            Block::Fault(_) | Block::Faults(_) => 4 * RECOVERY_BOUND,
            Block::Audit(_) | Block::AuditRemaining => audit_bound(rate, ends),
            Block::Capacity(capacity) => capacity.bound(),
            Block::Load(_) | Block::Streaming { .. } | Block::Hold(_) | Block::Probe(_) => Duration::ZERO,
            block => block.estimate() * SLOWER_MAX,
        });
        let bound = bounds.sum::<Duration>() + plan.estimate();
        Self { ends_us: Some(now_us + bound.as_micros() as u64 + GRACE_US + 2 * timeout_us) }
    }

    /// Only the end of what was cut is waited for.
    pub(super) fn of_cut(now_us: u64, timeout_us: u64) -> Self {
        Self { ends_us: Some(now_us + timeout_us + CUT_US) }
    }

    pub(super) fn is_at_end(&self, now_us: u64) -> bool {
        self.ends_us.is_some_and(|ends_us| now_us >= ends_us)
    }
}
