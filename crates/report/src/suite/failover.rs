use erlmcp_record::names::phase;

use super::SuitePhase;

pub(super) const PHASE: SuitePhase = SuitePhase {
    name: phase::FAILOVER,
    thresholds: &[],
    enter: |_| {},
    figures: |_, _, _| Vec::new(),
    line: |_| String::new(),
};
