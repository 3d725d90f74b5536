//! Objectives that a user writes down, and whether some seconds of load keep them.

mod objective;
mod tally;

pub use objective::Slo;
pub use tally::{Judged, Tally};
