//! Connections that end without our wanting it.

use erlmcp_record::Fate;

use super::{Engine, Gone};
use crate::cause::Cause;
use crate::connection::{Role, State};
use crate::ledger::{NO_ENDPOINT, Outcome};
use crate::net::{Closing, Net};
use crate::opening_queue::{OPENINGS_MAX, wait_us};
use crate::request::{Flight, Purpose, Request};

/// A connection that was open for so long was of use: it is reopened at once when it is lost.
pub(super) const USEFUL_US: u64 = 1_000_000;

impl<N: Net> Engine<N> {
    /// A connection's time has come in the state in which it is.
    pub(super) fn deadline(&mut self, key: u32) {
        let Some(connection) = self.connections.get(key as usize) else { return };
        match (connection.role, connection.state) {
            (Role::Side, _) => self.side_lost(key),
            (Role::Client(_), State::Idle) => self.lose(key, Cause::KeepAliveOver),
            (_, State::Lined | State::Idle) | (Role::Mover(_), State::Resting) => {}
            (Role::Check, _) => self.check_failed(key, true),
            (Role::Sequential(block), State::Resting) => self.sequence_again(key, block),
            (Role::Client(_) | Role::Stream(_), State::Resting) => self.line_again(key),
            (Role::Stream(_), State::Connecting) => self.lose(key, Cause::ConnectTimedOut),
            (Role::Stream(_), State::Busy) => self.lose(key, Cause::FirstUnanswered),
            (_, State::Connecting) => self.fail_opening(key, Cause::ConnectTimedOut),
            (_, State::Busy) if self.has_response(key) => self.end_left_open(key),
            (_, State::Busy) if connection.opening.is_some() => self.fail_opening(key, Cause::FirstUnanswered),
            (_, State::Busy) if self.is_kept(key) => self.wait_is_over(key),
            (_, State::Busy) => self.lose(key, Cause::TimedOut),
        }
    }

    pub(super) fn line_again(&mut self, key: u32) {
        let connection = &mut self.connections[key as usize];
        connection.state = State::Lined;
        connection.wake_us = 0;
        self.openings.push_again(key);
    }

    /// The connection is of no use any more, for this reason.
    pub(super) fn lose(&mut self, key: u32, cause: Cause) {
        let Some(connection) = self.connections.get(key as usize) else { return };
        if !connection.has_socket() {
            return;
        }
        match connection.role {
            Role::Check => return self.check_failed(key, false),
            Role::Side => return self.side_lost(key),
            Role::Stream(_) => return self.stream_gone(key, Gone::Cut(cause)),
            Role::Mover(_) if connection.opening.is_none() => return self.drop_mover(key),
            Role::Client(_) | Role::Sequential(_) | Role::Mover(_) => {}
        }
        if connection.opening.is_some() {
            return self.fail_opening(key, cause);
        }
        let now_us = self.net.now_us();
        self.keep_waiting(key);
        if cause == Cause::TimedOut {
            self.cancel(key, now_us);
        }
        let way = self.closing_way_after(cause);
        if let Some(request) = self.close_socket_by(key, way) {
            let (fate, latency_us) = self.lost_fate(&request, cause, now_us);
            if let Some(request) = self.again(key, request, (fate, cause), 0) {
                self.ledger.settle(request.ticket, Outcome::without_answer(fate, cause, latency_us));
            }
        }
        match self.connections[key as usize].role {
            Role::Sequential(block) => self.sequence_lost(key, block, cause),
            _ => self.client_lost(key, cause, now_us),
        }
    }

    fn client_lost(&mut self, key: u32, cause: Cause, now_us: u64) {
        let cause = self.why_lost(key, cause, now_us);
        let connection = &mut self.connections[key as usize];
        let index = connection.endpoint;
        let endpoint = self.endpoints.get_mut(index);
        endpoint.open -= 1;
        self.log.lost(cause);
        if is_peers(cause) {
            let next = self.episodes.next_id();
            let incident = endpoint.health.lost(now_us, cause == Cause::UserTimeout, next, endpoint.open);
            self.episodes.note(incident);
            if connection.incident == 0 {
                connection.incident = incident;
            }
            self.watch_us = 0;
            self.tell_broken(index, now_us);
        }
        let rests = self.lets_rest(key, cause);
        if self.connections[key as usize].closing {
            return self.part_with(key, now_us);
        }
        if rests {
            return;
        }
        let connection = &mut self.connections[key as usize];
        if now_us.saturating_sub(connection.opened_us) > USEFUL_US {
            connection.failures = 0;
        }
        let failures = connection.failures;
        connection.failures = failures.saturating_add(1);
        connection.is_renewing = failures == 0 && (cause == Cause::Closed || is_after_answer(cause));
        self.renewing += u64::from(connection.is_renewing);
        self.reopen_after(key, failures, now_us);
    }

    /// Opens the connection anew, the later the more often that has failed.
    pub(super) fn reopen_after(&mut self, key: u32, failures: u8, now_us: u64) {
        let wait_us = wait_us(failures, &mut self.random);
        self.reopen_in(key, wait_us, now_us);
    }

    pub(super) fn reopen_in(&mut self, key: u32, wait_us: u64, now_us: u64) {
        if wait_us == 0 {
            return self.line_again(key);
        }
        self.connections[key as usize].wake_us = now_us + wait_us;
        self.arm(key);
    }

    /// An opening under way came to nothing.
    pub(super) fn fail_opening(&mut self, key: u32, cause: Cause) {
        let now_us = self.net.now_us();
        let was_written = self.was_written(key);
        let way = self.closing_way_after(cause);
        let first = self.close_socket_by(key, way);
        let connection = &mut self.connections[key as usize];
        let renews = std::mem::take(&mut connection.renews) && connection.is_client();
        self.renewing -= u64::from(std::mem::take(&mut connection.is_renewing));
        match first {
            Some(request) if renews && !was_written && cause != Cause::RunEnded => {
                self.waiting.push_front(&mut connection.queue, request);
            }
            Some(request) => self.settle_first(request, was_written, cause, now_us),
            None => {}
        }
        self.openings.in_flight -= 1;
        let connection = &mut self.connections[key as usize];
        if (connection.is_client() || connection.is_mover()) && cause != Cause::RunEnded {
            self.log.failed(cause);
        }
        connection.failures = connection.failures.saturating_add(1);
        connection.lacked_own = cause.is_generators();
        if connection.endpoint != NO_ENDPOINT {
            let endpoint = self.endpoints.get_mut(connection.endpoint);
            endpoint.opening -= 1;
            if is_endpoints(cause) {
                endpoint.health.refused(now_us);
                self.watch_us = 0;
            }
        }
        let (failures, block, closing) = (connection.failures, connection.block, connection.closing);
        if connection.is_mover() {
            // Its client stays where it is.
            self.connections.remove(key as usize);
            return;
        }
        if let Role::Sequential(block) = connection.role {
            return self.sequence_not_opened(key, block, failures, now_us);
        }
        if failures >= OPENINGS_MAX && block != 0 {
            connection.block = 0;
            connection.opening = None;
            self.opening_ended(block);
        }
        if closing {
            return self.drop_client(key, now_us);
        }
        self.reopen_after(key, failures, now_us);
    }

    /// The first request of a connection that could not be opened.
    fn settle_first(&mut self, request: Request, was_written: bool, cause: Cause, now_us: u64) {
        let (fate, latency_us) = match (was_written, cause) {
            (_, Cause::RunEnded) => (Fate::Cancelled, None),
            (false, cause) if cause.is_generators() => (Fate::UnsentNoDescriptor, None),
            (false, _) => (Fate::UnsentConnection, Some(self.lost_latency_us(&request, now_us))),
            (true, _) => self.lost_fate(&request, cause, now_us),
        };
        self.ledger.settle(request.ticket, Outcome::without_answer(fate, cause, latency_us));
    }

    fn was_written(&self, key: u32) -> bool {
        self.connections[key as usize].flight.as_ref().is_some_and(|flight| flight.written_us > 0)
    }

    /// Ends the connection's socket and gives back what it had. Answers with the planned request in flight.
    pub(super) fn close_socket(&mut self, key: u32) -> Option<Request> {
        self.close_socket_by(key, self.closing_way())
    }

    pub(super) fn close_socket_by(&mut self, key: u32, way: Closing) -> Option<Request> {
        self.net.close(key, way);
        self.half_read.remove(&key);
        let connection = &mut self.connections[key as usize];
        connection.state = State::Resting;
        connection.wake_us = 0;
        connection.unsent = None;
        let source = connection.source.take();
        let reading = self.held.take(&mut connection.reading);
        let flight = connection.flight.take();
        if flight.as_ref().is_some_and(|flight| flight.written_us > 0) {
            self.endpoints.get_mut(connection.endpoint).health.ended_unanswered();
        }
        if let Some(source) = source {
            self.sources.release(source);
        }
        if let Some(reading) = reading {
            self.keep_reading(reading);
        }
        match flight {
            Some(Flight { purpose: Purpose::Planned(request), .. }) => Some(request),
            _ => None,
        }
    }

    /// The fate of a request that was written and never answered whole.
    fn lost_fate(&self, request: &Request, cause: Cause, now_us: u64) -> (Fate, Option<u64>) {
        let lost = Some(self.lost_latency_us(request, now_us));
        match cause {
            Cause::RunEnded => (Fate::Cancelled, None),
            Cause::TimedOut | Cause::FirstUnanswered | Cause::ReplicaSilent => (Fate::TimedOut, lost),
            Cause::NotHttp | Cause::TooLarge => (Fate::RpcError, lost),
            _ => (Fate::Reset, lost),
        }
    }
}

/// True where the other end has ended the connection.
fn is_peers(cause: Cause) -> bool {
    use Cause::{Closed, ClosedBeforeAnswer, CrossedClose, ResetByPeer, UserTimeout};
    matches!(cause, Closed | ClosedBeforeAnswer | CrossedClose | ResetByPeer | UserTimeout)
}

/// True where the other end wants no more than the answer that it gave, or no idle connection.
pub(super) fn is_after_answer(cause: Cause) -> bool {
    matches!(cause, Cause::ClosedWithAnswer | Cause::LeftOpen | Cause::IdleLimit | Cause::KeepAliveOver)
}

/// True where a failed opening says something about its endpoint.
fn is_endpoints(cause: Cause) -> bool {
    let is_ours = matches!(cause, Cause::Foreign | Cause::RunEnded | Cause::ReplicaLost | Cause::ReplicaSilent);
    !is_ours && !cause.is_generators()
}
