//! A herd of clients: all of them close at one instant, and are opened again at once, or together after an outage.

use std::collections::BTreeMap;

use erlmcp_record::Fate;
use erlmcp_record::names::episode;

use super::{Engine, NO_KEY};
use crate::block::{Outage, ReconnectWork, Work};
use crate::cause::Cause;
use crate::connection::{Connection, State};
use crate::episodes::Loss;
use crate::net::Net;
use crate::proto;
use crate::request::Request;

/// After so long nobody is waited for any more.
const BACK_WITHIN_US: u64 = 30_000_000;
const OUTAGE_MAX_US: u64 = 60_000_000;

impl<N: Net> Engine<N> {
    pub(super) fn order_reconnect(&mut self, order: &proto::Reconnect) {
        let (percent, at_us) = (order.percent.min(100), order.at_us);
        let outage_us = order.outage_us.min(OUTAGE_MAX_US);
        let until_us = at_us + outage_us + BACK_WITHIN_US;
        let work = ReconnectWork { percent, at_us, outage_us, until_us, incidents: None };
        self.begin(order.block, order.phase, 0, Work::Reconnect(work));
    }

    /// Closes those whose instant has come.
    pub(super) fn reconnect(&mut self, now_us: u64) {
        for index in 0..self.blocks.len() {
            let Work::Reconnect(ReconnectWork { percent, at_us, outage_us, until_us, incidents: None }) =
                self.blocks[index].work
            else {
                continue;
            };
            if at_us > now_us {
                continue;
            }
            if outage_us > 0 {
                self.outage = Some(Outage { dark_until_us: now_us + outage_us, until_us });
                self.retries.spend_all(now_us);
            }
            let closed = self.close_herd(percent, now_us);
            if let Work::Reconnect(work) = &mut self.blocks[index].work {
                work.incidents = Some(closed);
            }
        }
    }

    /// Those with a request in flight stay: what they asked is nobody's to give up, but for an outage, in which it has
    /// failed. The incidents that begin.
    fn close_herd(&mut self, percent: u32, now_us: u64) -> Vec<u32> {
        // Incident and number of those closed, by endpoint.
        let mut herds: BTreeMap<u16, (u32, u64)> = BTreeMap::new();
        for place in 0..self.clients.len() {
            let key = self.clients[place];
            // Every so many-th of them, evenly over all.
            let is_chosen = (place as u64 + 1) * u64::from(percent) / 100 > place as u64 * u64::from(percent) / 100;
            let is_closed = |c: &Connection| match self.outage {
                Some(_) => c.is_open() && !c.closing && c.incident == 0,
                None => c.state == State::Idle && c.queue.is_empty() && !c.closing && c.incident == 0,
            };
            if key == NO_KEY || !is_chosen || !self.connections.get(key as usize).is_some_and(is_closed) {
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
            let in_flight = self.close_socket(key);
            self.endpoints.get_mut(endpoint).open -= 1;
            self.log.lost(Cause::Reconnected);
            let connection = &mut self.connections[key as usize];
            (connection.incident, connection.failures) = (incident, 0);
            match self.outage {
                Some(outage) => self.darken(key, in_flight, outage),
                None => self.line_again(key),
            }
        }
        let (agent, phase) = (self.settings.agent, self.phase);
        for (endpoint, (incident, affected)) in &herds {
            let replica = self.endpoints.get(*endpoint).replica;
            let (incident, affected, how) = (*incident, *affected, episode::RECONNECT);
            self.episodes.down(Loss { incident, agent, phase, replica, detected_us: now_us, how, affected });
        }
        self.tell_episodes();
        herds.into_values().map(|(incident, _)| incident).collect()
    }

    /// What the client had asked, or was about to, has failed; it may connect again when the outage is over.
    fn darken(&mut self, key: u32, in_flight: Option<Request>, outage: Outage) {
        let connection = &mut self.connections[key as usize];
        connection.wake_us = outage.dark_until_us;
        let mut queue = connection.queue;
        let waiting =
            std::iter::from_fn(|| self.waiting.pop_front(&mut queue)).map(|one| (one, Fate::UnsentConnection));
        let failed: Vec<_> = in_flight.map(|one| (one, Fate::Reset)).into_iter().chain(waiting).collect();
        self.connections[key as usize].queue = queue;
        for (mut request, fate) in failed {
            request.failed = Some((fate, Cause::Reconnected));
            if let Some(request) = self.again(key, request, (fate, Cause::Reconnected), 0) {
                self.settle_failed(request, self.net.now_us());
            }
        }
        self.arm(key);
    }

    /// Nothing can be sent or opened now.
    pub(super) fn is_dark(&self, now_us: u64) -> bool {
        now_us < self.dark_until_us()
    }

    /// 0: there is no outage.
    pub(super) fn dark_until_us(&self) -> u64 {
        self.outage.map_or(0, |outage| outage.dark_until_us)
    }

    /// A request whose time comes in an outage fails at once, and is tried again; it comes back where it may be sent.
    pub(super) fn keep_in_the_dark(&mut self, key: u32, request: Request, now_us: u64) -> Option<Request> {
        if !self.is_dark(now_us) {
            return Some(request);
        }
        self.again(key, request, (Fate::UnsentConnection, Cause::NotOpen), 0)
    }

    /// All of them have had an answer again, and nothing waits for its next attempt; or nobody waits any longer.
    pub(super) fn are_back(&self, work: &ReconnectWork) -> bool {
        let Some(incidents) = &work.incidents else { return self.net.now_us() >= work.until_us };
        let are_served = || incidents.iter().all(|id| self.episodes.is_over(*id));
        let is_light = || work.outage_us == 0 || (!self.is_dark(self.net.now_us()) && self.retries.is_empty());
        self.net.now_us() >= work.until_us || (is_light() && are_served())
    }
}
