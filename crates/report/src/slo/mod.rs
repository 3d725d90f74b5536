//! Objectives that a user writes down, and whether some seconds of load keep them.

mod objective;
mod tally;

pub use objective::Slo;
pub(crate) use objective::{Measure, Objective};
pub use tally::{Judged, Tally};
