//! Answers to fates.

use erlmcp_record::Fate;

use super::Engine;
use crate::cause::Cause;
use crate::connection::{Role, State};
use crate::ledger::Outcome;
use crate::net::Net;
use crate::request::{Flight, Leg, Purpose, Request};
use crate::wire::Said;

impl<N: Net> Engine<N> {
    /// The request in flight has its answer. The connection is idle then, or gone.
    /// `next`: it goes on, and has no fate yet.
    pub(super) fn finish(&mut self, key: u32, said: Said, next: Option<Box<Leg>>, now_us: u64) {
        let connection = &mut self.connections[key as usize];
        let Some(flight) = connection.flight.take() else { return };
        connection.answered_id = flight.id;
        connection.free_us = now_us;
        connection.unsent = None;
        if matches!(flight.purpose, Purpose::Handshake) {
            return self.hands_shaken(key, &flight, now_us);
        }
        let index = connection.endpoint;
        let Flight { purpose, written_us, headers_us, first_event_us, .. } = flight;
        let request = match purpose {
            Purpose::Planned(request) => request,
            Purpose::Answer(reply) => return self.reply_answered(key, &reply, written_us, said, now_us),
            Purpose::Handshake | Purpose::Check | Purpose::Stream => return self.check_answered(key, now_us),
        };
        self.answered(index, written_us, now_us);
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
        if let Some(leg) = next {
            return self.go_on_with(key, request, leg);
        }
        let request = match said {
            Said::Refused { status, after_us } => {
                let failed = (Fate::Refused, Cause::Refused(status));
                let Some(request) = self.again(key, request, failed, after_us) else { return };
                request
            }
            _ => request,
        };
        let (began_us, headers_us, first_event_us) = times(&request, (written_us, headers_us, first_event_us));
        let since = |us: u64| (us > 0).then(|| us.saturating_sub(began_us));
        let (fate, cause) = fate_of(said);
        let latency_us = match fate {
            // A refusal is no service: its speed does not say how requests are served.
            Fate::Refused => None,
            Fate::Reset => Some(self.lost_latency_us(&request, now_us)),
            _ => Some(now_us.saturating_sub(request.ticket.intended_us())),
        };
        let is_served = !matches!(fate, Fate::Refused | Fate::Reset);
        let outcome = Outcome {
            fate,
            cause,
            latency_us,
            service_us: is_served.then(|| now_us.saturating_sub(began_us)),
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
        while let Some(request) = self.waiting.pop_front(&mut self.connections[key as usize].queue) {
            if request.give_up_us <= now_us {
                self.give_up_late(key, request, now_us);
            } else if let Some(request) = self.keep_in_the_dark(key, request, now_us) {
                return self.send(key, request);
            }
        }
        let connection = &self.connections[key as usize];
        match connection.role {
            Role::Sequential(block) => self.sequence_next(key, block, now_us),
            Role::Side => self.post_replies(now_us),
            _ if connection.closing => self.close_client(key),
            _ if connection.keep_alive_s.is_some() => self.arm(key),
            _ => {}
        }
    }

    /// A request whose time ran out just before its connection became free.
    fn give_up_late(&mut self, key: u32, request: Request, now_us: u64) {
        if request.attempt > 1 && request.leg.is_none() {
            return self.give_up(key, request, now_us);
        }
        self.give_up_unsent(request, Fate::UnsentBusy, Cause::StillBusy, now_us);
    }
}

/// When a request was first written, its answer's head came, and the first event; 0: not.
fn times(request: &Request, here: (u64, u64, u64)) -> (u64, u64, u64) {
    let first = |earlier: u64, here: u64| if earlier > 0 { earlier } else { here };
    request
        .leg
        .as_ref()
        .map_or(here, |leg| (leg.began_us, first(leg.headers_us, here.1), first(leg.first_event_us, here.2)))
}

/// From the first attempt to the final ok, where there was more than one.
fn operation_us(request: &Request, fate: Fate, now_us: u64) -> Option<u64> {
    (fate == Fate::Ok && request.attempt > 1).then(|| now_us.saturating_sub(request.ticket.intended_us()))
}

pub(super) fn fate_of(said: Said) -> (Fate, Option<Cause>) {
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
