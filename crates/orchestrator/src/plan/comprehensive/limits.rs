use super::{Body, not_yet};
use crate::StressConfig;
use crate::plan::Found;

pub(super) fn body(_config: &StressConfig, _found: &Found) -> Body {
    not_yet("Resource Limits", "The server at its limits and over them")
}
