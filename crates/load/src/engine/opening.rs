//! From the line of those to be opened to an open connection: connect, established, first request answered.

use std::io;
use std::net::IpAddr;

use erlmcp_record::Kind;

use super::{Engine, TURN_MAX};
use crate::block::{Of, ReconnectWork, Work};
use crate::cause::Cause;
use crate::connection::{Connection, Opening, Role, State};
use crate::connection_log::OpeningTimes;
use crate::ledger::{Account, NO_ENDPOINT};
use crate::net::Net;
use crate::opening_queue::AT_ONCE;
use crate::request::{Call, Flight, Purpose, Request};

impl<N: Net> Engine<N> {
    /// Puts the connections into the line whose openings are planned by now.
    pub(super) fn line_up(&mut self, now_us: u64) {
        for index in 0..self.blocks.len() {
            while let Some(planned_us) = self.next_opening(index, now_us) {
                let Work::Open(open) = &mut self.blocks[index].work else { break };
                let (of, place) = (open.of, open.first + open.lined);
                open.lined += 1;
                open.pending += 1;
                if let Some(pace) = &mut open.pace {
                    pace.take();
                }
                let key = match of {
                    Of::Clients => self.clients[place as usize],
                    Of::Streams => self.streams.key(place),
                };
                let connection = &mut self.connections[key as usize];
                connection.state = State::Lined;
                connection.opening = Some(Opening { planned_us, started_us: 0, established_us: 0 });
                self.openings.push_planned(key);
                match of {
                    Of::Clients if planned_us > 0 => self.log.planned(),
                    Of::Clients => {}
                    Of::Streams => self.streams.planned(),
                }
            }
        }
    }

    /// When the next opening of an open block is planned, if that is by now; 0 where it is not paced.
    fn next_opening(&self, index: usize, now_us: u64) -> Option<u64> {
        let block = &self.blocks[index];
        let Work::Open(open) = &block.work else { return None };
        let at_us = block.next_us().filter(|at_us| *at_us <= now_us)?;
        Some(if open.pace.is_some() { at_us.max(1) } else { 0 })
    }

    /// Openings that may be in flight.
    pub(super) fn at_once_max(&self) -> u32 {
        let limits = self.blocks.iter().filter_map(|block| match &block.work {
            Work::Open(open) => Some(open.at_once_max),
            // A herd does not queue.
            Work::Reconnect(ReconnectWork { incidents: Some(_), .. }) => Some(u32::MAX),
            _ => None,
        });
        limits.max().unwrap_or(AT_ONCE)
    }

    pub(super) fn begin_openings(&mut self) {
        if self.is_dark(self.net.now_us()) {
            return;
        }
        let at_once_max = self.at_once_max();
        let mut begun = 0;
        while self.openings.in_flight < at_once_max && begun < TURN_MAX / 4 {
            let Some(key) = self.openings.pop() else { return };
            let lined = self.connections.get(key as usize).filter(|connection| connection.state == State::Lined);
            let Some(role) = lined.map(|connection| connection.role) else { continue };
            begun += 1;
            match role {
                Role::Stream(place) => self.begin_stream(key, place),
                _ => self.begin_opening(key),
            }
        }
    }

    /// Plans the connection's first request and connects.
    pub(super) fn begin_opening(&mut self, key: u32) {
        let now_us = self.net.now_us();
        let connection = &self.connections[key as usize];
        if connection.renews {
            return self.begin_renewal(key);
        }
        let account = self.account_of_opening(connection);
        let not = (connection.failures > 0 || connection.was_open).then_some(connection.endpoint);
        let endpoint = self.endpoints.choose(not).unwrap_or(NO_ENDPOINT);
        let connection = &mut self.connections[key as usize];
        let paced_us = connection.opening.map_or(0, |opening| opening.planned_us);
        // A second try is a request of its own, planned now; the opening stays as late as it is.
        let is_first = connection.failures == 0;
        let due_us = if is_first && paced_us > 0 { paced_us } else { now_us };
        if is_first && paced_us == 0 && connection.block != 0 {
            self.log.planned();
        }
        let planned_us = if paced_us > 0 { paced_us } else { now_us };
        let flight = self.first_request(key, account, due_us, endpoint);
        match self.set_out(key, endpoint, flight, planned_us) {
            Ok(()) => self.arm(key),
            Err(cause) => self.fail_opening(key, cause),
        }
    }

    /// Plans what is said first on the connection.
    pub(super) fn first_request(&mut self, key: u32, account: Account, due_us: u64, endpoint: u16) -> Flight {
        let connection = &self.connections[key as usize];
        let ticket = self.ledger.plan(account, due_us, endpoint);
        self.last_id += 1;
        let is_handshake = self.calls.has_own_sessions() && connection.session.is_none();
        let call = if is_handshake { Call::Initialize } else { Call::Probe };
        let request = Request::new(ticket, call, due_us, u64::MAX);
        if connection.is_client() || connection.is_mover() {
            self.log.started();
        }
        Flight::new(Purpose::Planned(request), call, self.last_id)
    }

    /// Connects, to say this first.
    pub(super) fn set_out(&mut self, key: u32, endpoint: u16, flight: Flight, planned_us: u64) -> Result<(), Cause> {
        let now_us = self.net.now_us();
        let connection = &mut self.connections[key as usize];
        connection.flight = Some(flight);
        connection.opening = Some(Opening { planned_us, started_us: now_us, established_us: 0 });
        connection.state = State::Connecting;
        connection.wake_us = 0;
        connection.endpoint = endpoint;
        self.openings.in_flight += 1;
        if endpoint == NO_ENDPOINT {
            return Err(Cause::Unreachable);
        }
        self.endpoints.get_mut(endpoint).opening += 1;
        self.connect(key)
    }

    /// What a connection's first request counts as. To no block belong those of lost connections elsewhere, and the
    /// one before sequential requests, which is none of them.
    fn account_of_opening(&self, connection: &Connection) -> Account {
        let of_block = |id: u32| self.blocks.iter().find(|block| block.id == id && id != 0);
        match connection.role {
            Role::Sequential(id) => {
                let phase = of_block(id).map_or(self.phase, |block| block.phase);
                Account { block: 0, phase, kind: Kind::Probe, class: 0 }
            }
            _ => {
                let none = Account { block: 0, phase: self.phase, kind: Kind::Probe, class: 0 };
                of_block(connection.block).map_or(none, |block| block.account(Kind::Probe))
            }
        }
    }

    /// Connects to the connection's endpoint.
    pub(super) fn connect(&mut self, key: u32) -> Result<(), Cause> {
        let connection = &mut self.connections[key as usize];
        let to = self.endpoints.get(connection.endpoint).address;
        if !self.settings.allowed.has(to) {
            return Err(Cause::Foreign);
        }
        let is_spread = self.settings.spread_sources && matches!(to.ip(), IpAddr::V4(ip) if ip.is_loopback());
        let source = if is_spread { Some(self.sources.take().ok_or(Cause::NoPort)?) } else { None };
        connection.source = source;
        let source = source.map(|index| self.sources.address(index));
        self.net.connect(key, to, source).map_err(|error| Cause::of(&error))
    }

    /// The socket has become writable or has failed: its first request is written.
    pub(super) fn establish(&mut self, key: u32) {
        let now_us = self.net.now_us();
        match self.transmit(key, now_us) {
            Ok(()) => {
                let connection = &mut self.connections[key as usize];
                connection.state = State::Busy;
                if let Some(opening) = &mut connection.opening {
                    opening.established_us = now_us;
                }
                if let Some(Flight { purpose: Purpose::Planned(request), .. }) = &connection.flight
                    && connection.renews
                {
                    // The connection is free as of now.
                    self.ledger.sent(&request.ticket, 0);
                }
                self.arm(key);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.lose(key, Cause::of(&error)),
        }
    }

    /// The connection's first request was answered.
    pub(super) fn opened(&mut self, key: u32, now_us: u64) {
        let connection = &mut self.connections[key as usize];
        let Some(opening) = connection.opening.take() else { return };
        let reopened = std::mem::replace(&mut connection.was_open, true);
        let incident = std::mem::take(&mut connection.incident);
        let block = std::mem::take(&mut connection.block);
        connection.state = State::Idle;
        connection.round_trip_us = opening.established_us - opening.started_us;
        connection.opened_us = now_us;
        connection.free_us = now_us;
        (connection.lacked_own, connection.renews) = (false, false);
        self.renewing -= u64::from(std::mem::take(&mut connection.is_renewing));
        let is_mover = connection.is_mover();
        let endpoint = self.endpoints.get_mut(connection.endpoint);
        endpoint.health.opened();
        self.openings.in_flight -= 1;
        if !is_mover {
            endpoint.opening -= 1;
        }
        if let Role::Sequential(block) = connection.role {
            self.sequence_opened(block, opening, now_us);
            return;
        }
        endpoint.open += u32::from(!is_mover);
        let times = OpeningTimes {
            late_us: now_us - opening.planned_us,
            established_us: opening.established_us - opening.started_us,
            first_answer_us: now_us - opening.established_us,
        };
        self.log.opened(reopened || is_mover, times, self.ledger.spare_hists());
        self.opening_ended(block);
        if incident > 0 && self.episodes.served(incident, now_us) {
            self.tell_episodes();
        }
    }

    /// An opening that its block waited for is done or given up.
    pub(super) fn opening_ended(&mut self, block: u32) {
        let Some(block) = self.blocks.iter_mut().find(|found| found.id == block && block != 0) else { return };
        if let Work::Open(open) = &mut block.work {
            open.pending -= 1;
        }
    }
}
