//! The addresses of a target: which of them gets the next connection.

mod health;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

pub(crate) use health::{Around, Health, How, Verdict};

/// Addresses that a run may have had, at most.
pub(crate) const ENDPOINTS_MAX: usize = 4_096;

/// One address and what this agent has there.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) replica: u16,
    pub(crate) address: SocketAddr,
    /// No longer in the target's list: nothing new goes there.
    pub(crate) retired: bool,
    /// Connections that are open there.
    pub(crate) open: u32,
    /// Connections that are being opened there, those of streams too.
    pub(crate) opening: u32,
    /// Streams of notifications that are held there, each on a connection that is none of those open.
    pub(crate) streams: u32,
    pub(crate) health: Health,
}

/// All addresses that the target has had; an index stays valid.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    list: Vec<Endpoint>,
    /// Where the search for the next one begins.
    cursor: usize,
}

impl Endpoints {
    /// Takes over the target's list. Connections to an address that is no longer in it stay where they are.
    pub(crate) fn replace(&mut self, addresses: &[(u16, SocketAddr)]) {
        for endpoint in &mut self.list {
            endpoint.retired = !addresses.contains(&(endpoint.replica, endpoint.address));
        }
        for (replica, address) in addresses {
            let is_known = self.list.iter().any(|known| known.replica == *replica && known.address == *address);
            if !is_known && self.list.len() < ENDPOINTS_MAX {
                self.list.push(Endpoint {
                    replica: *replica,
                    address: *address,
                    retired: false,
                    open: 0,
                    opening: 0,
                    streams: 0,
                    health: Health::new(),
                });
            }
        }
    }

    /// The first connection of this agent goes to the endpoint with this number (modulo their count), so that
    /// what several agents open is even as a whole.
    pub(crate) fn begin_at(&mut self, number: u64) {
        self.cursor = if self.list.is_empty() { 0 } else { (number % self.list.len() as u64) as usize };
    }

    /// The endpoint for a new connection: of those that can be used the one with the fewest, and of equals the
    /// next in turn, which is round robin as long as all is well. `not` is avoided where there is another one.
    /// Where none can be used, one that is in the list is tried all the same.
    pub(crate) fn choose(&mut self, not: Option<u16>) -> Option<u16> {
        let found = self
            .fewest(|index, endpoint| endpoint.health.is_eligible() && Some(index) != not)
            .or_else(|| self.fewest(|_, endpoint| endpoint.health.is_eligible()))
            .or_else(|| self.fewest(|_, endpoint| !endpoint.health.is_down()))
            .or_else(|| self.fewest(|_, _| true))?;
        self.cursor = (found as usize + 1) % self.list.len();
        Some(found)
    }

    fn fewest(&self, may: impl Fn(u16, &Endpoint) -> bool) -> Option<u16> {
        let n = self.list.len();
        (0..n)
            .map(|step| (self.cursor + step) % n)
            .filter(|index| !self.list[*index].retired && may(*index as u16, &self.list[*index]))
            .min_by_key(|index| {
                let Endpoint { open, opening, streams, .. } = &self.list[*index];
                open + opening + streams
            })
            .map(|index| index as u16)
    }

    /// True where an endpoint other than `index` can be used.
    pub(crate) fn has_other(&self, index: u16) -> bool {
        let others = self.list.iter().enumerate().filter(|(other, _)| *other != index as usize);
        others.into_iter().any(|(_, endpoint)| !endpoint.retired && endpoint.health.is_eligible())
    }

    pub(crate) fn get(&self, index: u16) -> &Endpoint {
        &self.list[index as usize]
    }

    pub(crate) fn get_mut(&mut self, index: u16) -> &mut Endpoint {
        &mut self.list[index as usize]
    }

    pub(crate) fn len(&self) -> u16 {
        self.list.len() as u16
    }

    /// Replica of each endpoint, by index.
    pub(crate) fn replicas(&self) -> Vec<u16> {
        self.list.iter().map(|endpoint| endpoint.replica).collect()
    }

    /// Open connections by replica, those without any left out unless they are in the target's list.
    pub(crate) fn open_by_replica(&self) -> Vec<(u16, u64)> {
        self.by_replica(|endpoint| endpoint.open)
    }

    /// The same of held streams.
    pub(crate) fn streams_by_replica(&self) -> Vec<(u16, u64)> {
        self.by_replica(|endpoint| endpoint.streams)
    }

    fn by_replica(&self, count: impl Fn(&Endpoint) -> u32) -> Vec<(u16, u64)> {
        let mut by_replica: Vec<(u16, u64)> = Vec::with_capacity(self.list.len());
        for endpoint in self.list.iter().filter(|endpoint| !endpoint.retired || count(endpoint) > 0) {
            match by_replica.iter_mut().find(|(replica, _)| *replica == endpoint.replica) {
                Some((_, sum)) => *sum += u64::from(count(endpoint)),
                None => by_replica.push((endpoint.replica, u64::from(count(endpoint)))),
            }
        }
        by_replica
    }
}

#[cfg(test)]
mod spread_tests {
    use super::*;

    fn addresses(n: u16) -> Vec<(u16, SocketAddr)> {
        (0..n).map(|i| (i, format!("127.0.0.{}:8080", 10 + i).parse().expect("an address"))).collect()
    }

    fn endpoints(n: u16) -> Endpoints {
        let mut endpoints = Endpoints::default();
        endpoints.replace(&addresses(n));
        endpoints
    }

    fn open(endpoints: &mut Endpoints, count: u32) {
        for _ in 0..count {
            let index = endpoints.choose(None).expect("there are endpoints");
            endpoints.get_mut(index).open += 1;
        }
    }

    #[test]
    fn connections_are_spread_evenly_by_agent_and_in_all() {
        let mut all = vec![0; 12];
        for agent in 0..6u64 {
            let mut endpoints = endpoints(12);
            endpoints.begin_at(agent * 1_667);
            open(&mut endpoints, 1_667);
            let counts: Vec<u64> = endpoints.open_by_replica().iter().map(|(_, open)| *open).collect();
            assert!(
                counts.iter().max().zip(counts.iter().min()).is_some_and(|(max, min)| max - min <= 1),
                "{counts:?}"
            );
            all.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        assert!(all.iter().max().zip(all.iter().min()).is_some_and(|(max, min)| max - min <= 1), "{all:?}");
    }

    #[test]
    fn what_is_lost_goes_elsewhere_evenly() {
        let mut endpoints = endpoints(4);
        open(&mut endpoints, 400);
        endpoints.get_mut(2).health.set_down(1, 1);
        endpoints.get_mut(2).open = 0;
        open(&mut endpoints, 99);
        assert_eq!(endpoints.open_by_replica(), [(0, 133), (1, 133), (2, 0), (3, 133)]);
        assert!(endpoints.has_other(0));
    }

    #[test]
    fn where_nothing_is_well_something_is_tried_all_the_same() {
        let mut endpoints = endpoints(2);
        endpoints.get_mut(0).health.set_down(1, 1);
        endpoints.get_mut(1).health.refused(1);
        assert_eq!(endpoints.choose(Some(1)), Some(1));
        assert!(!endpoints.has_other(0));
        assert_eq!(Endpoints::default().choose(None), None);
    }

    #[test]
    fn an_address_that_left_the_list_gets_nothing_new() {
        let mut endpoints = endpoints(3);
        open(&mut endpoints, 3);
        endpoints.replace(&addresses(2));
        open(&mut endpoints, 10);
        assert_eq!(endpoints.open_by_replica(), [(0, 6), (1, 6), (2, 1)]);
        endpoints.replace(&addresses(3));
        assert!(!endpoints.get(2).retired);
    }
}
