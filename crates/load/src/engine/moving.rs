//! Addresses were added or have left the list: clients are moved until connections are even again. A client's new
//! connection is open before the old one is closed, which happens between two of its requests; so nothing is lost by it.

use super::{Engine, NO_KEY, TURN_MAX};
use crate::block::{Moving, RebalanceWork, Work};
use crate::cause::Cause;
use crate::connection::{Connection, Role, State};
use crate::ledger::Account;
use crate::net::Net;
use crate::proto;
use erlmcp_record::Kind;

/// Moves under way at once, at most.
const MOVES_MAX: usize = 64;
/// Clients looked at in one turn, at most.
const SCAN_MAX: usize = 4_096;
/// Where none can be moved now, it is tried again after this.
const AGAIN_US: u64 = 5_000;
/// A client that is busy for so long is left where it is.
const IDLE_WITHIN_US: u64 = 5_000_000;
/// Moves that were not made in time are not made up for.
const BEHIND_MAX_US: u64 = 1_000_000;

impl<N: Net> Engine<N> {
    pub(super) fn order_rebalance(&mut self, order: &proto::Rebalance) {
        let every_us = if order.rate > 0.0 { (1e6 / order.rate) as u64 } else { 0 };
        let work = RebalanceWork {
            next_us: order.start_us,
            every_us,
            until_us: order.until_us,
            phase: order.phase as u8,
            ..RebalanceWork::default()
        };
        self.begin(order.block, order.phase, 0, Work::Rebalance(work));
    }

    pub(super) fn rebalance(&mut self, now_us: u64) {
        for index in 0..self.blocks.len() {
            let Work::Rebalance(work) = &mut self.blocks[index].work else { continue };
            if work.is_over || now_us < work.next_us.min(work.until_us) {
                continue;
            }
            let mut work = std::mem::take(work);
            self.settle_moves(&mut work, now_us);
            if now_us >= work.until_us {
                work.moves.drain(..).for_each(|moving| self.drop_mover(moving.key));
                work.is_over = true;
            } else {
                self.begin_moves(&mut work, now_us);
            }
            self.blocks[index].work = Work::Rebalance(work);
        }
    }

    fn begin_moves(&mut self, work: &mut RebalanceWork, now_us: u64) {
        work.next_us = work.next_us.max(now_us.saturating_sub(BEHIND_MAX_US));
        let mut scanned = 0;
        for _ in 0..TURN_MAX {
            if work.next_us > now_us {
                return;
            }
            let to = self.endpoints.choose(None).filter(|to| self.endpoints.get(*to).health.is_eligible());
            let Some(to) = to.filter(|to| self.is_uneven(work, *to)) else {
                work.is_over = work.moves.is_empty();
                break;
            };
            if work.moves.len() >= MOVES_MAX {
                break;
            }
            let Some(place) = self.movable(work, to, &mut scanned) else { break };
            self.begin_move(work, place, to, now_us);
            work.next_us += work.every_us;
        }
        work.next_us = work.next_us.max(now_us + AGAIN_US);
    }

    /// Connections that an endpoint has and gets, without those that are about to leave it.
    fn load_of(&self, work: &RebalanceWork, index: u16) -> u32 {
        let endpoint = self.endpoints.get(index);
        let leaving = work.moves.iter().filter(|moving| moving.from == index).count() as u32;
        (endpoint.open + endpoint.opening + endpoint.streams).saturating_sub(leaving)
    }

    /// True where a client at `from` had better be at `to`.
    fn is_better(&self, work: &RebalanceWork, from: u16, to: u16) -> bool {
        let has_clients = self.endpoints.get(from).open > 0;
        let is_fuller = || self.load_of(work, from) >= self.load_of(work, to) + 2;
        from != to && has_clients && (self.endpoints.get(from).retired || is_fuller())
    }

    fn is_uneven(&self, work: &RebalanceWork, to: u16) -> bool {
        (0..self.endpoints.len()).any(|from| self.is_better(work, from, to))
    }

    /// The next client that can be moved there; None: none of those that were looked at.
    fn movable(&self, work: &mut RebalanceWork, to: u16, scanned: &mut usize) -> Option<u32> {
        while *scanned < SCAN_MAX.min(self.clients.len()) {
            *scanned += 1;
            let place = work.cursor % self.clients.len();
            work.cursor = place + 1;
            let key = self.clients[place];
            let connection = self.connections.get(key as usize).filter(|_| key != NO_KEY);
            let from = connection.filter(|connection| is_free(connection)).map(|connection| connection.endpoint);
            let is_moving = || work.moves.iter().any(|moving| moving.place == place as u32);
            if from.is_some_and(|from| self.is_better(work, from, to) && !is_moving()) {
                return Some(place as u32);
            }
        }
        None
    }

    /// Opens the client's next connection.
    fn begin_move(&mut self, work: &mut RebalanceWork, place: u32, to: u16, now_us: u64) {
        let old = &self.connections[self.clients[place as usize] as usize];
        let from = old.endpoint;
        let mut connection = Connection::new(Role::Mover(place), 0);
        // Whoever moves stays in its session.
        connection.session.clone_from(&old.session);
        let key = self.connections.insert(connection) as u32;
        work.moves.push(Moving { key, place, from, since_us: now_us });
        let account = Account { block: 0, phase: work.phase, kind: Kind::Probe, class: 0 };
        let flight = self.first_request(key, account, now_us, to);
        match self.set_out(key, to, flight, now_us) {
            Ok(()) => self.arm(key),
            Err(cause) => self.fail_opening(key, cause),
        }
    }

    /// Lets those take their clients' places whose clients are idle, and gives up those that nobody needs any more.
    fn settle_moves(&mut self, work: &mut RebalanceWork, now_us: u64) {
        for moving in std::mem::take(&mut work.moves) {
            let is_it = |connection: &&Connection| connection.role == Role::Mover(moving.place);
            let Some(state) = self.connections.get(moving.key as usize).filter(is_it).map(|new| new.state) else {
                // It came to nothing.
                continue;
            };
            let key = self.clients.get(moving.place as usize).copied().unwrap_or(NO_KEY);
            let old = self.connections.get(key as usize).filter(|_| key != NO_KEY);
            let is_there = old.is_some_and(|old| old.is_open() && old.endpoint == moving.from && !old.closing);
            let is_late = now_us >= moving.since_us + IDLE_WITHIN_US + self.settings.timeout_us;
            if !is_there || is_late {
                self.drop_mover(moving.key);
            } else if state == State::Idle && old.is_some_and(is_free) {
                self.take_place(&moving, key);
            } else {
                work.moves.push(moving);
            }
        }
    }

    /// The new connection is the client's from here on; the old one is closed.
    fn take_place(&mut self, moving: &Moving, old: u32) {
        self.close_socket(old);
        self.endpoints.get_mut(moving.from).open -= 1;
        self.log.lost(Cause::Moved);
        self.connections.remove(old as usize);
        self.clients[moving.place as usize] = moving.key;
        self.retries_moved(old, moving.key);
        let connection = &mut self.connections[moving.key as usize];
        connection.role = Role::Client(moving.place);
        let endpoint = self.endpoints.get_mut(connection.endpoint);
        endpoint.opening -= 1;
        endpoint.open += 1;
        self.arm(moving.key);
    }

    /// Gives up a connection that was to take a client's place, whether it is open or not. It counts as being opened until
    /// then.
    pub(super) fn drop_mover(&mut self, key: u32) {
        let connection = &self.connections[key as usize];
        if connection.opening.is_some() {
            return self.fail_opening(key, Cause::RunEnded);
        }
        let endpoint = connection.endpoint;
        self.close_socket(key);
        self.endpoints.get_mut(endpoint).opening -= 1;
        self.log.lost(Cause::Moved);
        self.connections.remove(key as usize);
    }
}

/// Open, and between two requests.
fn is_free(connection: &Connection) -> bool {
    let is_idle = connection.state == State::Idle && connection.queue.is_empty();
    is_idle && connection.is_client() && !connection.closing && connection.incident == 0
}
