use super::{Body, not_yet};
use crate::StressConfig;
use crate::plan::Found;

pub(super) fn body(_config: &StressConfig, _found: &Found) -> Body {
    not_yet("Failure Scenarios", "What faults cost and how fast they are over")
}
