//! Workloads: sessions that begin when the pace says, and their steps when those are due. All times are planned ahead:
//! a step is due after its think time whether the one before it was answered or not, so that a slow target cannot slow
//! down its clients.

use erlmcp_record::Kind;

use super::Engine;
use super::orders::PATIENCE_US;
use crate::block::{SessionWork, Work};
use crate::ledger::Account;
use crate::net::Net;
use crate::pacing::{Constant, Pace, Poisson, Shape, Shaped, Trace};
use crate::permutation::Part;
use crate::proto;
use crate::random::Random;
use crate::report::Report;
use crate::request::Call;
use crate::workload::{Walk, Walks, Workload};

/// Sessions begun longer ago than this are not made up for at a block's start.
const AHEAD_MAX_US: u64 = 600_000_000;

impl<N: Net> Engine<N> {
    pub(super) fn order_sessions(&mut self, load: &proto::Load) {
        let Some(workload) = self.calls.workload().cloned() else { return };
        let is_trace = load.shape.as_ref().is_some_and(|shape| shape.trace_speed > 0.0) && workload.recorded.is_some();
        // All steps together come at the load's rate.
        let rate = load.rate / workload.mean_steps();
        let pace = self.session_pace(load, rate, &workload);
        let mut work = SessionWork {
            order: self.client_order(),
            account: Account { block: load.block, phase: load.phase as u8, kind: Kind::Load, class: 0 },
            patience_us: if load.retry_refused { load.start_us + load.duration_us + PATIENCE_US } else { 0 },
            end_us: load.start_us + load.duration_us,
            walks: Walks::default(),
            ahead: 0,
            pace,
            is_trace,
        };
        let has_room = is_trace || self.begin_ahead(&mut work, &workload, (load.start_us, rate, load.offset));
        // How many steps the sessions have is not drawn yet: the exact number follows at the end.
        let planned = (work.pace.planned() as f64 * workload.mean_steps()).round() as u64;
        self.begin(load.block, load.phase, planned, Work::Sessions(work));
        if !has_room {
            self.too_many_sessions();
        }
    }

    fn session_pace(&self, load: &proto::Load, rate: f64, workload: &Workload) -> Pace {
        let (start_us, duration_us) = (load.start_us, load.duration_us);
        let even = |start_us: u64, duration_us: u64| match load.poisson {
            true => {
                let random = Random::new(self.settings.seed, self.purpose(load.block, 1));
                Pace::Poisson(Poisson::over(start_us, duration_us, rate, random))
            }
            false => Pace::Constant(Constant::over(start_us, duration_us, rate, load.offset)),
        };
        let Some(told) = &load.shape else { return even(start_us, duration_us) };
        if let Some(recorded) = workload.recorded.as_ref().filter(|_| told.trace_speed > 0.0) {
            let (times, period_us) = (recorded.times.clone(), recorded.period_us);
            return Pace::Trace(Trace::over(start_us, duration_us, times, period_us, told.trace_speed));
        }
        let pieces = told.pieces.iter().map(|piece| (piece.duration_us, piece.factor));
        match Shape::pieces(pieces).or_else(|| Shape::sine(told.period_us, told.amplitude)) {
            Some(shape) => Pace::Shaped(Box::new(Shaped::over(start_us, duration_us, shape, |us| even(0, us)))),
            None => even(start_us, duration_us),
        }
    }

    /// Finds clients in the midst of their sessions at the block's start, as they would be had it begun long ago, so that
    /// the rate is what it is to be from the first second on.
    fn begin_ahead(&mut self, work: &mut SessionWork, workload: &Workload, at: (u64, f64, f64)) -> bool {
        let (start_us, rate, offset) = at;
        let ahead_us = workload.longest_us().min(AHEAD_MAX_US);
        let mut pace = Constant::over(0, ahead_us, rate, offset);
        let mut has_room = true;
        while let Some(began_us) = pace.next_us() {
            pace.take();
            let place = work.order.at(work.ahead, Part::All);
            work.ahead += 1;
            let number = self.number_session();
            // On a clock that is ahead of the run's: the block may begin sooner than sessions are long.
            let mut walk = Walk { at_us: began_us, number, place, session: workload.drawn(number), position: 0 };
            while let Some(next) = workload.next(&walk) {
                walk = next;
                if walk.at_us >= ahead_us {
                    walk.at_us = walk.at_us - ahead_us + start_us;
                    has_room &= walk.at_us >= work.end_us || work.walks.push(walk);
                    break;
                }
            }
        }
        has_room
    }

    fn number_session(&mut self) -> u32 {
        self.sessions_begun = self.sessions_begun.wrapping_add(1);
        self.sessions_begun
    }

    /// Begins the session, or sends the step, that is due next in the block.
    pub(super) fn next_step(&mut self, index: usize, has_queued: bool, now_us: u64) -> bool {
        let number = self.sessions_begun.wrapping_add(1);
        let Some(workload) = self.calls.workload() else { return false };
        let Work::Sessions(work) = &mut self.blocks[index].work else { return false };
        if work.next_us().is_none_or(|due_us| due_us > now_us) {
            return false;
        }
        if let Some(at_us) = work.pace.next_us().filter(|_| work.begins()) {
            let taken = work.pace.taken();
            work.pace.take();
            let part = if has_queued { Part::Quarter } else { Part::All };
            let place = work.order.at(work.ahead + taken, part);
            let session = if work.is_trace { workload.recorded(taken) } else { workload.drawn(number) };
            let begun = workload.next(&Walk { at_us, number, place, session, position: 0 });
            let has_room = begun.is_none_or(|walk| walk.at_us >= work.end_us || work.walks.push(walk));
            self.sessions_begun = number;
            if !has_room {
                self.too_many_sessions();
            }
            return true;
        }
        let Some(walk) = work.walks.pop() else { return false };
        if let Some(next) = workload.next(&walk).filter(|next| next.at_us < work.end_us) {
            // One went out before it comes in: there is room.
            let _ = work.walks.push(next);
        }
        let (step, class) = workload.step_of(&walk);
        let (account, patience_us) = (Account { class, ..work.account }, work.patience_us);
        let call = Call::Step { step, session: walk.number };
        self.plan_on(walk.place, (account, call), (walk.at_us, patience_us), now_us);
        true
    }

    fn too_many_sessions(&mut self) {
        let why = "the workload has more sessions under way than an agent keeps: ask for a lower rate, or add --agents";
        self.outbox.push(Report::Failure(why.to_string()));
    }
}
