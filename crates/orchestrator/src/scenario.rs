//! What is done to the target under load, and what is waited for until all is well again.

mod burst;
mod course;
mod episodes;
mod faults;
mod herd;
mod outage;
mod overflow;
mod scaling;
mod slow;
mod spread;
mod steady;
mod storm;
mod victim;
mod visiting;

pub(crate) use burst::BurstTraffic;
pub(crate) use faults::Faults;
pub(crate) use outage::Outage;
pub(crate) use overflow::QueueOverflow;
pub(crate) use scaling::Scaling;
pub(crate) use visiting::Visiting;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod visit_tests;
