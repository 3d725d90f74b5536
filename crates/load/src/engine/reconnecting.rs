//! A herd of clients: all of them close at one instant, and are opened again at once.

use std::collections::BTreeMap;

use super::{Engine, NO_KEY};
use crate::block::{ReconnectWork, Work};
use crate::cause::Cause;
use crate::connection::State;
use crate::endpoint::RECONNECT;
use crate::episodes::Loss;
use crate::net::Net;
use crate::proto;

/// After so long nobody is waited for any more.
const BACK_WITHIN_US: u64 = 30_000_000;

impl<N: Net> Engine<N> {
    pub(super) fn order_reconnect(&mut self, order: &proto::Reconnect) {
        let (percent, at_us) = (order.percent.min(100), order.at_us);
        let work = ReconnectWork { percent, at_us, until_us: at_us + BACK_WITHIN_US, incidents: None };
        self.begin(order.block, order.phase, 0, Work::Reconnect(work));
    }

    /// Closes those whose instant has come.
    pub(super) fn reconnect(&mut self, now_us: u64) {
        for index in 0..self.blocks.len() {
            let Work::Reconnect(ReconnectWork { percent, at_us, incidents: None, .. }) = self.blocks[index].work else {
                continue;
            };
            if at_us > now_us {
                continue;
            }
            let closed = self.close_herd(percent, now_us);
            if let Work::Reconnect(work) = &mut self.blocks[index].work {
                work.incidents = Some(closed);
            }
        }
    }

    /// Those with a request in flight stay: what they asked is nobody's to give up. The incidents that begin.
    fn close_herd(&mut self, percent: u32, now_us: u64) -> Vec<u32> {
        // Incident and number of those closed, by endpoint.
        let mut herds: BTreeMap<u16, (u32, u64)> = BTreeMap::new();
        for place in 0..self.clients.len() {
            let key = self.clients[place];
            // Every so many-th of them, evenly over all.
            let is_chosen = (place as u64 + 1) * u64::from(percent) / 100 > place as u64 * u64::from(percent) / 100;
            let is_free = |c: &crate::connection::Connection| {
                c.state == State::Idle && c.queue.is_empty() && !c.closing && c.incident == 0
            };
            if key == NO_KEY || !is_chosen || !self.connections.get(key as usize).is_some_and(is_free) {
                continue;
            }
            let endpoint = self.connections[key as usize].endpoint;
            let herd = match herds.get_mut(&endpoint) {
                Some(herd) => herd,
                None => {
                    let incident = self.episodes.next_id();
                    self.episodes.note(incident);
                    herds.entry(endpoint).or_insert((incident, 0))
                }
            };
            herd.1 += 1;
            let incident = herd.0;
            self.close_socket(key);
            self.endpoints.get_mut(endpoint).open -= 1;
            self.log.lost(Cause::Reconnected);
            let connection = &mut self.connections[key as usize];
            (connection.incident, connection.failures) = (incident, 0);
            self.line_again(key);
        }
        let (agent, phase) = (self.settings.agent, self.phase);
        for (endpoint, (incident, affected)) in &herds {
            let replica = self.endpoints.get(*endpoint).replica;
            let (incident, affected) = (*incident, *affected);
            self.episodes.down(Loss { incident, agent, phase, replica, detected_us: now_us, how: RECONNECT, affected });
        }
        self.tell_episodes();
        herds.into_values().map(|(incident, _)| incident).collect()
    }

    /// All of them have had an answer again, or nobody waits any longer.
    pub(super) fn are_back(&self, work: &ReconnectWork) -> bool {
        let Some(incidents) = &work.incidents else { return self.net.now_us() >= work.until_us };
        self.net.now_us() >= work.until_us || incidents.iter().all(|id| self.episodes.is_over(*id))
    }
}
