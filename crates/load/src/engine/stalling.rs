//! The loop's own standing still. A process that was not scheduled has seen nothing, so it cannot say that a replica
//! was silent meanwhile: that time does not count.

use super::Engine;
use crate::connection::Role;
use crate::net::Net;

/// A turn that comes so much later than it was planned has been held up.
const HELD_UP_US: u64 = 50_000;

impl<N: Net> Engine<N> {
    /// Takes the time for which the loop stood still out of what replicas and checks have been waited for. True where what
    /// has come meanwhile is to be read before anything is given up; not turn after turn, or nothing ever would be.
    pub(super) fn forgive_stall(&mut self, now_us: u64) -> bool {
        let late_us = now_us.saturating_sub(self.turn_due_us);
        let is_held_up = self.turn_due_us > 0 && late_us > HELD_UP_US;
        let is_again = std::mem::replace(&mut self.was_held_up, is_held_up);
        if !is_held_up {
            return false;
        }
        for index in 0..self.endpoints.len() {
            self.endpoints.get_mut(index).health.forgive(late_us, now_us);
        }
        for (_, connection) in &mut self.connections {
            if connection.role == Role::Check && connection.wake_us > 0 {
                // The timer that stands wakes it too early, and is armed anew then.
                connection.wake_us += late_us;
            }
        }
        !is_again
    }

    /// The turn that began at `now_us` is over: notes when the next one is due.
    pub(super) fn plan_turn(&mut self, now_us: u64) {
        self.turn_due_us = self.next_us().max(now_us);
    }
}
