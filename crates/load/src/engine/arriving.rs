//! Planned requests whose time has come.

use erlmcp_record::Fate;

use super::{Engine, NO_KEY, TURN_MAX};
use crate::block::{Block, Work};
use crate::cause::Cause;
use crate::ledger::{Account, NO_ENDPOINT};
use crate::net::Net;
use crate::permutation::Part;
use crate::request::{Call, Request};

impl<N: Net> Engine<N> {
    /// Plans and sends what was due by the end of the last step, each on the connection that it is bound to. Called between reads
    /// as well, so that answers do not keep arrivals waiting.
    pub(crate) fn arrive(&mut self, now_us: u64) {
        self.arrive_by(now_us - now_us % self.step_us);
    }

    /// Plans and sends what is due by then.
    pub(super) fn arrive_by(&mut self, now_us: u64) {
        let is_queued = |block: &Block| matches!(&block.work, Work::Arrivals(work) if work.call == Call::Queued);
        let has_queued = self.blocks.iter().any(is_queued);
        for index in 0..self.blocks.len() {
            for _ in 0..TURN_MAX {
                if !self.next_arrival(index, has_queued, now_us) {
                    break;
                }
            }
        }
    }

    fn next_arrival(&mut self, index: usize, has_queued: bool, now_us: u64) -> bool {
        let arrivals = match &mut self.blocks[index].work {
            Work::Arrivals(arrivals) => arrivals,
            Work::Sessions(_) => return self.next_step(index, has_queued, now_us),
            _ => return false,
        };
        let Some(due_us) = arrivals.pace.next_us().filter(|due_us| *due_us <= now_us) else { return false };
        let part = match arrivals.call {
            Call::Queued => Part::Rest,
            Call::Load if has_queued => Part::Quarter,
            _ => Part::All,
        };
        let place = arrivals.order.at(arrivals.pace.taken(), part);
        arrivals.pace.take();
        let (account, call, patience_us) = (arrivals.account, arrivals.call, arrivals.patience_us);
        self.plan_on(place, (account, call), (due_us, patience_us), now_us);
        true
    }

    /// Plans a request that was due at `due_us` and sends it on the client at `place`.
    pub(super) fn plan_on(
        &mut self,
        place: Option<u32>,
        (account, call): (Account, Call),
        (due_us, patience_us): (u64, u64),
        now_us: u64,
    ) {
        let key = place.and_then(|place| self.clients.get(place as usize).copied()).filter(|key| *key != NO_KEY);
        let endpoint = key.map_or(NO_ENDPOINT, |key| self.connections[key as usize].endpoint);
        self.arrived += 1;
        let ticket = self.ledger.plan(account, due_us, endpoint);
        self.retries.first();
        let give_up_us = due_us + self.settings.timeout_us;
        let request = Request { patience_us, ..Request::new(ticket, call, due_us, give_up_us) };
        match key {
            Some(key) if self.is_dark(now_us) => {
                if let Some(request) = self.keep_in_the_dark(key, request, now_us) {
                    self.dispatch(key, request, now_us);
                }
            }
            _ if now_us >= give_up_us => self.give_up_unsent(request, Fate::UnsentNoTime, Cause::TooLate, now_us),
            Some(key) => self.dispatch(key, request, now_us),
            None => self.give_up_unsent(request, Fate::UnsentConnection, Cause::NotOpen, now_us),
        }
    }
}
