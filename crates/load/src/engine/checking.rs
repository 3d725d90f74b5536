//! Looking after the endpoints: checks, replicas given up, episodes.

use erlmcp_record::Entry;

use super::{Engine, WATCH_EVERY_US};
use crate::cause::Cause;
use crate::connection::{Connection, Role, State};
use crate::endpoint::{Around, How, Verdict};
use crate::episodes::Loss;
use crate::net::Net;
use crate::request::{Call, Flight, Purpose};

impl<N: Net> Engine<N> {
    /// Judges all endpoints about which there is anything to judge.
    pub(super) fn watch(&mut self, now_us: u64) {
        let mut is_watched = false;
        for index in 0..self.endpoints.len() {
            let endpoint = self.endpoints.get(index);
            if !endpoint.health.is_watched() || (endpoint.retired && endpoint.open + endpoint.opening == 0) {
                continue;
            }
            is_watched = true;
            let around = Around { now_us, open: endpoint.open, elsewhere: self.endpoints.has_other(index) };
            match self.endpoints.get(index).health.judge(around) {
                Verdict::Nothing => {}
                Verdict::Check => self.check(index, now_us),
                Verdict::Down(how) => self.give_up_endpoint(index, how, now_us),
            }
        }
        self.watch_us = if is_watched { now_us + WATCH_EVERY_US } else { u64::MAX };
    }

    /// Asks an endpoint whether it is there, on a connection that is not one of the N.
    fn check(&mut self, index: u16, now_us: u64) {
        let mut connection = Connection::new(Role::Check, 0);
        connection.endpoint = index;
        connection.state = State::Connecting;
        connection.wake_us = now_us + self.endpoints.get(index).health.check_timeout_us();
        self.last_id += 1;
        // Without a session a probe is refused, which is an answer; a handshake would leave a session behind.
        connection.flight = Some(Flight::new(Purpose::Check, Call::Probe, self.last_id));
        let key = self.connections.insert(connection) as u32;
        self.endpoints.get_mut(index).health.check_sent(now_us);
        match self.connect(key) {
            Ok(()) => self.arm(key),
            Err(_) => self.check_failed(key, false),
        }
    }

    pub(super) fn check_answered(&mut self, key: u32, now_us: u64) {
        // The flight was taken by whoever read the answer.
        let index = self.connections[key as usize].endpoint;
        self.close_socket(key);
        self.connections.remove(key as usize);
        let health = &mut self.endpoints.get_mut(index).health;
        health.ended_unanswered();
        health.check_answered(now_us);
        self.tell_broken(index, now_us);
    }

    /// A request that was written at `written_us` was answered.
    pub(super) fn answered(&mut self, index: u16, written_us: u64, now_us: u64) {
        if self.endpoints.get_mut(index).health.answered(now_us, written_us) {
            self.tell_broken(index, now_us);
        }
    }

    /// An endpoint that was lost for a moment and answers again: an episode too, though nothing was given up.
    pub(super) fn tell_broken(&mut self, index: u16, now_us: u64) {
        let endpoint = self.endpoints.get(index);
        let Some(incident) = endpoint.health.broken() else { return };
        let (id, replica) = (incident.id, endpoint.replica);
        self.episodes.down(self.loss(id, replica, How::Reset, u64::from(incident.lost), now_us));
    }

    fn loss(&self, incident: u32, replica: u16, how: How, affected: u64, detected_us: u64) -> Loss {
        let (agent, phase) = (self.settings.agent, self.phase);
        Loss { incident, agent, phase, replica, detected_us, how: how.name(), affected }
    }

    /// `silent`: it was given up; else the other end said no.
    pub(super) fn check_failed(&mut self, key: u32, silent: bool) {
        let now_us = self.net.now_us();
        let index = self.connections[key as usize].endpoint;
        self.close_socket(key);
        self.connections.remove(key as usize);
        self.endpoints.get_mut(index).health.check_failed(now_us, silent);
        self.watch_us = 0;
    }

    /// Stops using an endpoint: an episode. Its connections are taken elsewhere: at once, but for those with a request in
    /// flight where others were closed, since the end of a process is told on each of them, and a server that closes what is
    /// idle answers the others. Those leave with their answers.
    fn give_up_endpoint(&mut self, index: u16, how: How, now_us: u64) {
        let next = self.episodes.next_id();
        let endpoint = self.endpoints.get_mut(index);
        let incident = endpoint.health.set_down(now_us, next);
        let (replica, open) = (endpoint.replica, endpoint.open);
        self.episodes.note(incident.id);
        let affected = u64::from(incident.lost) + u64::from(open);
        self.episodes.down(self.loss(incident.id, replica, how, affected, now_us));
        let cause = if how == How::Reset { Cause::ReplicaLost } else { Cause::ReplicaSilent };
        let is_there = |connection: &Connection| connection.endpoint == index && connection.has_socket();
        let keys: Vec<u32> = self
            .connections
            .iter()
            .filter(|(_, connection)| is_there(connection) && (connection.is_client() || connection.is_stream()))
            .map(|(key, _)| key as u32)
            .collect();
        for key in keys {
            let connection = &mut self.connections[key as usize];
            if connection.is_client() && connection.is_open() && connection.incident == 0 {
                connection.incident = incident.id;
            }
            let is_asking = connection.flight.as_ref().is_some_and(|flight| flight.written_us > 0);
            if how == How::Reset && is_asking && connection.is_client() && connection.is_open() {
                continue;
            }
            self.lose(key, cause);
        }
        self.tell_episodes();
    }

    pub(super) fn tell_episodes(&mut self) {
        for row in self.episodes.take_rows() {
            self.outbox.row(Entry::Episode(row));
        }
    }
}
