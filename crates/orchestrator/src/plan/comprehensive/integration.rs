use super::{Body, not_yet};
use crate::StressConfig;
use crate::plan::Found;

pub(super) fn body(_config: &StressConfig, _found: &Found) -> Body {
    not_yet("Component Integration", "The server's parts by its own histograms")
}
