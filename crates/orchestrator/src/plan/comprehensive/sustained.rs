use super::{Body, Stand};
use crate::StressConfig;
use crate::plan::Found;
use crate::plan::stress::sustained_load;

/// As in `stress`; what drifts in it is read from its record.
pub(super) fn body(config: &StressConfig, found: &Found) -> Body {
    Body { plan: sustained_load(config, found), begins: Stand::Full, ends: Stand::Full }
}
