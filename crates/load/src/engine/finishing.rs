//! Answers to fates.

use erlmcp_record::Fate;

use super::Engine;
use crate::cause::Cause;
use crate::connection::{Role, State};
use crate::ledger::Outcome;
use crate::net::Net;
use crate::request::{Flight, Purpose, Request};
use crate::wire::Said;

impl<N: Net> Engine<N> {
    /// The request in flight has its answer. The connection is idle then, or gone.
    pub(super) fn finish(&mut self, key: u32, said: Said, now_us: u64) {
        let connection = &mut self.connections[key as usize];
        let Some(flight) = connection.flight.take() else { return };
        connection.answered_id = flight.id;
        connection.free_us = now_us;
        connection.unsent = None;
        if matches!(flight.purpose, Purpose::Handshake) {
            return self.hands_shaken(key, &flight, now_us);
        }
        let endpoint = self.endpoints.get_mut(connection.endpoint);
        let Flight { purpose: Purpose::Planned(request), written_us, headers_us, first_event_us, .. } = flight else {
            return self.check_answered(key, now_us);
        };
        if endpoint.health.answered(now_us, written_us) {
            let index = connection.endpoint;
            self.tell_broken(index, now_us);
        }
        let connection = &mut self.connections[key as usize];
        if connection.opening.is_some() {
            connection.account = Some(self.ledger.account_of(&request.ticket));
            self.opened(key, now_us);
        } else {
            connection.state = State::Idle;
            if said == Said::Ok {
                connection.failures = 0;
            }
        }
        if let Said::Refused { after_us, .. } = said
            && request.patience_us > 0
        {
            return self.hold(key, request, now_us + after_us);
        }
        let since = |us: u64| (us > 0).then(|| us.saturating_sub(written_us));
        let (fate, cause) = fate_of(said);
        let latency_us = match fate {
            // A refusal is no service: its speed does not say how requests are served.
            Fate::Refused => None,
            Fate::Reset => Some(self.lost_latency_us(&request, now_us)),
            _ => Some(now_us.saturating_sub(request.due_us)),
        };
        let is_served = !matches!(fate, Fate::Refused | Fate::Reset);
        let outcome = Outcome {
            fate,
            cause,
            latency_us,
            service_us: is_served.then(|| now_us.saturating_sub(written_us)),
            headers_us: since(headers_us),
            first_event_us: since(first_event_us),
            receive_lag_us: Some(self.loop_times.receive_lag_us(now_us)),
            operation_us: operation_us(&request, fate, now_us),
        };
        self.ledger.settle(request.ticket, outcome);
    }

    /// What an open connection does next: the request that has waited longest, or nothing.
    pub(super) fn go_on(&mut self, key: u32, now_us: u64) {
        let is_idle = self.connections.get(key as usize).is_some_and(|connection| connection.state == State::Idle);
        if !is_idle || self.shake_hands(key, now_us) {
            return;
        }
        let connection = &mut self.connections[key as usize];
        if let Role::Sequential(block) = connection.role {
            return self.sequence_next(key, block, now_us);
        }
        match self.waiting.pop_front(&mut connection.queue) {
            Some(request) if request.give_up_us <= now_us => {
                self.give_up_late(key, request, now_us);
                self.go_on(key, now_us);
            }
            Some(request) => self.send(key, request),
            None if connection.closing => self.close_client(key),
            None => {}
        }
    }

    /// A request whose time ran out just before its connection became free.
    fn give_up_late(&mut self, key: u32, request: Request, now_us: u64) {
        if request.attempt > 1 {
            return self.give_up(key, request, now_us);
        }
        self.give_up_unsent(request, Fate::UnsentBusy, Cause::StillBusy, now_us);
    }
}

/// From the first attempt to the final ok, where there was more than one.
fn operation_us(request: &Request, fate: Fate, now_us: u64) -> Option<u64> {
    (fate == Fate::Ok && request.attempt > 1).then(|| now_us.saturating_sub(request.ticket.intended_us()))
}

fn fate_of(said: Said) -> (Fate, Option<Cause>) {
    match said {
        Said::Ok => (Fate::Ok, None),
        Said::ToolError => (Fate::ToolError, Some(Cause::ToolError)),
        Said::InputRequired => (Fate::RpcError, Some(Cause::InputRequired)),
        Said::OfAnotherType => (Fate::RpcError, Some(Cause::OfAnotherType)),
        Said::RpcError(code) => (Fate::RpcError, Some(Cause::Rpc(code))),
        Said::HttpError(status) => (Fate::HttpError, Some(Cause::Http(status))),
        Said::Refused { status, .. } => (Fate::Refused, Some(Cause::Refused(status))),
        Said::AnotherId(_) => (Fate::RpcError, Some(Cause::AnotherId)),
        Said::NotJsonRpc => (Fate::RpcError, Some(Cause::NotJsonRpc)),
        Said::NoResponse => (Fate::Reset, Some(Cause::StreamEnded)),
    }
}
