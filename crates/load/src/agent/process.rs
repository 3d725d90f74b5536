//! What an agent does to its own process.

use std::net::{IpAddr, SocketAddr};

use rustix::process::{Resource, Rlimit, Signal, getppid, getrlimit, set_parent_process_death_signal, setrlimit};

use super::AgentError;
use crate::sources::ADDRESS_ROOM;

/// Descriptors that are not for connections: polls, timers, the control stream, files of /proc, checks.
const RESERVED: u64 = 64;
/// Where the kernel does not say: ip(7).
const DEFAULT_PORTS: u64 = 28_232;

/// This process ends when the one that started it does.
///
/// # Errors
/// Where that one is gone already.
pub(super) fn die_with_parent() -> Result<(), AgentError> {
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| AgentError::Failed(format!("cannot tie the agent to its parent: {error}")))?;
    // It may have ended before the line above.
    if getppid() == parent { Ok(()) } else { Err(AgentError::ParentGone) }
}

/// Raises the soft limit of descriptors to the hard one. Answers with the limit in force.
pub(super) fn raise_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Where it fails the limit stays as it is, which is what is answered.
    let _ = setrlimit(Resource::Nofile, raised);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Descriptors in use.
pub(super) fn descriptors_in_use() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64)
}

/// How many connections this agent can open: by its descriptors, and by the ports of its source addresses.
pub(super) fn connections_possible(limit: u64, spread_sources: bool, addresses: &[SocketAddr]) -> u64 {
    let by_descriptors = limit.saturating_sub(descriptors_in_use() + RESERVED);
    let is_spread = |ip: IpAddr| spread_sources && ip.is_loopback() && ip.is_ipv4();
    let by_ports = if addresses.iter().all(|address| is_spread(address.ip())) {
        ADDRESS_ROOM
    } else {
        addresses.len() as u64 * ephemeral_ports()
    };
    by_descriptors.min(by_ports)
}

fn ephemeral_ports() -> u64 {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut numbers = text.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(first), Some(last)) if last >= first => last - first + 1,
        _ => DEFAULT_PORTS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_bound_the_connections() {
        let local: SocketAddr = "127.0.0.10:80".parse().expect("an address");
        let foreign: SocketAddr = "192.0.2.1:80".parse().expect("an address");
        assert_eq!(connections_possible(10, true, &[local]), 0);
        assert!((9_000..10_000).contains(&connections_possible(10_000, true, &[local])));
        assert_eq!(connections_possible(u64::MAX, true, &[local]), 508_000);
        assert_eq!(connections_possible(u64::MAX, true, &[foreign]), ephemeral_ports());
        assert_eq!(connections_possible(u64::MAX, false, &[local, local]), 2 * ephemeral_ports());
    }
}
