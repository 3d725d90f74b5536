use super::{Body, not_yet};
use crate::StressConfig;
use crate::plan::Found;

pub(super) fn body(_config: &StressConfig, _found: &Found) -> Body {
    not_yet("Failover & Recovery", "Replicas lost, restarted and added under load")
}
