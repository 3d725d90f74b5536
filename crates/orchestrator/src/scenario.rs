//! What is done to the target under load, and what is waited for until all is well again.

mod burst;
mod course;
mod episodes;
mod faults;
mod outage;
mod overflow;
mod steady;
mod victim;

pub(crate) use burst::BurstTraffic;
pub(crate) use faults::Faults;
pub(crate) use outage::Outage;
pub(crate) use overflow::QueueOverflow;

#[cfg(test)]
mod tests;
