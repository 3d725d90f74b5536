//! Source addresses for a target on loopback.

use std::net::Ipv4Addr;

/// Connections from one source address to a loopback target at most: above that the kernel looks long for a
/// free port.
pub const CONNECTIONS_MAX: u32 = 2_000;
/// Addresses of one agent at most.
const ADDRESSES_MAX: usize = 254;
/// Connections that all addresses of one agent have room for.
pub(crate) const ADDRESS_ROOM: u64 = ADDRESSES_MAX as u64 * CONNECTIONS_MAX as u64;
/// Addresses in use from the start, so that old TIME_WAITs are spread as well.
const ADDRESSES_FIRST: usize = 8;

/// Which source address a connection has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SourceIndex(u16);

/// The source addresses of one agent, 127.(1 + agent).x.y: never 127.0.*, where replicas listen. Agents have
/// disjoint ranges as long as there are at most 254 of them.
#[derive(Debug)]
pub(crate) struct Sources {
    agent: u32,
    /// Connections by address.
    used: Vec<u32>,
    cursor: usize,
}

impl Sources {
    pub(crate) fn new(agent: u32) -> Self {
        Self { agent, used: vec![0; ADDRESSES_FIRST], cursor: 0 }
    }

    pub(crate) fn address(&self, index: SourceIndex) -> Ipv4Addr {
        let second = 1 + (self.agent % 254) as u8;
        Ipv4Addr::new(127, second, (self.agent / 254) as u8, 1 + index.0 as u8)
    }

    /// The next address with room; None where all of them are full.
    pub(crate) fn take(&mut self) -> Option<SourceIndex> {
        for _ in 0..self.used.len() {
            let index = self.cursor;
            self.cursor = (self.cursor + 1) % self.used.len();
            if self.used[index] < CONNECTIONS_MAX {
                self.used[index] += 1;
                return Some(SourceIndex(index as u16));
            }
        }
        if self.used.len() == ADDRESSES_MAX {
            return None;
        }
        self.used.push(1);
        Some(SourceIndex(self.used.len() as u16 - 1))
    }

    pub(crate) fn release(&mut self, index: SourceIndex) {
        let used = &mut self.used[index.0 as usize];
        *used = used.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn no_address_has_more_than_its_share() {
        let mut sources = Sources::new(3);
        let mut by_address = BTreeMap::new();
        let mut last = None;
        for _ in 0..20_000 {
            let index = sources.take().expect("20,000 connections find an address");
            *by_address.entry(sources.address(index)).or_insert(0) += 1;
            last = Some(index);
        }
        assert!(by_address.values().all(|count| *count <= CONNECTIONS_MAX), "{by_address:?}");
        assert!(by_address.keys().all(|address| address.octets()[1] == 4), "{by_address:?}");
        sources.release(last.expect("some were taken"));
        assert!(sources.take().is_some());
    }

    #[test]
    fn all_full_means_none() {
        let mut sources = Sources::new(0);
        for _ in 0..ADDRESSES_MAX as u32 * CONNECTIONS_MAX {
            assert!(sources.take().is_some());
        }
        assert_eq!(sources.take(), None);
    }

    #[test]
    fn agents_do_not_share_addresses() {
        let addresses: BTreeSet<Ipv4Addr> = (0..600).map(|agent| Sources::new(agent).address(SourceIndex(0))).collect();
        assert_eq!(addresses.len(), 600);
        assert!(addresses.iter().all(|address| address.octets()[1] != 0));
    }
}
