//! What is done to the target under load, and what is waited for until all is well again.

mod burst;
mod episodes;
mod network_partition;
mod node_failure;
mod outage;
mod overflow;
mod steady;
mod victim;

pub(crate) use burst::BurstTraffic;
pub(crate) use network_partition::NetworkPartition;
pub(crate) use node_failure::NodeFailure;
pub(crate) use overflow::QueueOverflow;

#[cfg(test)]
mod tests;
