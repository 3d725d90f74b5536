//! The statistics behind the bounds: pure functions on numbers.

mod beta;
mod bootstrap;
mod exponent;
mod percentile;
mod shift;
mod slope;
mod sparse;

pub(crate) use beta::{share_lower_bound, share_samples_needed, share_upper_bound};
pub(crate) use bootstrap::{Drawn, Side, mean_bound, percentile_bound, percentile_draws, ratio_bound, ratio_draws};
pub(crate) use exponent::{Exponent, exponent};
pub use percentile::Percentile;
pub(crate) use shift::{Shift, level_shift, share_shift};
pub(crate) use slope::{Slope, slope};
pub(crate) use sparse::Sparse;

/// How sure a bound is: one-sided, 95 %.
pub(crate) const CONFIDENCE: f64 = 0.95;
