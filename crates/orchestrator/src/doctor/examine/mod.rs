//! From figures of a machine, and what is asked of it, to findings. Nothing is read here.

mod files;
mod machine;
mod network;
mod permission;
#[cfg(test)]
mod tests;
mod time;

use super::finding::Finding;
use super::readings::Readings;
use crate::StressConfig;
use crate::preflight::{Crew, Room};

/// What a run asks of the machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need<'a> {
    pub(crate) config: &'a StressConfig,
    /// Where its connections lead; None: to a cluster of its own.
    pub(crate) leads: Option<Leads>,
}

/// Where the connections to a target lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leads {
    /// All its addresses are of this machine.
    pub(crate) is_colocated: bool,
    /// They are loopback addresses, so that the load may take many sources.
    pub(crate) is_loopback: bool,
    /// Addresses that connections are spread over.
    pub(crate) addresses: u64,
}

impl Need<'_> {
    /// The most that are open at once.
    fn sockets(&self) -> u64 {
        self.config.sockets()
    }

    /// Both ends of each connection are here.
    pub(crate) fn has_both_ends(&self) -> bool {
        self.leads.is_none_or(|leads| leads.is_colocated)
    }

    /// Ends of connections on this machine.
    fn ends(&self) -> u64 {
        if self.has_both_ends() { 2 * self.sockets() } else { self.sockets() }
    }

    /// Connections that begin while the server stands still for a quarter of a second.
    fn queued_openings(&self) -> u64 {
        self.sockets().min((self.config.ramp_rate / 4.0).ceil() as u64)
    }

    fn crew(&self, readings: &Readings) -> Option<Crew> {
        Room::of(readings).crew(self.config).ok()
    }
}

/// Everything that is to be said of the machine, in the order of a list.
pub(crate) fn examine(readings: &Readings, need: &Need<'_>) -> Vec<Finding> {
    let examined: [fn(&Readings, &Need<'_>) -> Option<Finding>; 21] = [
        files::descriptors,
        files::soft_limit,
        files::of_the_target,
        files::of_the_machine,
        machine::memory,
        machine::tasks,
        machine::cores,
        machine::quota,
        machine::noise,
        machine::steal,
        network::accept_queue,
        network::half_open,
        network::ports,
        network::time_waits,
        network::buffers,
        network::tracking,
        time::source,
        time::steps,
        permission::firewall,
        permission::container,
        permission::docker,
    ];
    examined.iter().filter_map(|examine| examine(readings, need)).collect()
}
