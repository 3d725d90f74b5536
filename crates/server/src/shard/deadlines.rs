//! When patience ends.

use super::{Net, Shard, ticks};
use crate::conn::wheel::TICK_NS;
use crate::conn::{Reading, Task};
use crate::dispatch::{NO_ROOM, TOO_SLOW, write_comment};
use crate::engine::Pressure;
use crate::metrics::counters::{ConnectionKind, Reached};
use erlmcp_protocol::server::Refusal;

impl<N: Net> Shard<N> {
    /// The moment at which a connection is looked at. Moving it away costs nothing: the wheel looks at the old moment
    /// and finds that there is time.
    pub(super) fn set_deadline(&mut self, key: u32, at_ns: u64) {
        let Some(connection) = self.table.get_mut(key) else { return };
        connection.deadline = ticks(at_ns);
        if connection.deadline < connection.look {
            self.look(key);
        }
    }

    /// The moment of a stream's next comment, or of its end where that is before.
    pub(super) fn await_comment(&mut self, key: u32) {
        let Some(connection) = self.table.get(key) else { return };
        let mut wait_ms = self.shared.limits.stream_comment_ms;
        let until_s = connection.task.until_s();
        if until_s < u64::MAX {
            wait_ms = wait_ms.min(until_s.saturating_sub(self.shared.clock.unix_seconds()).saturating_mul(1_000));
        }
        self.set_deadline(key, self.after_ms(wait_ms));
    }

    fn look(&mut self, key: u32) {
        let Some(connection) = self.table.get_mut(key) else { return };
        // The wheel reaches this far.
        let furthest = ticks(self.now_ns).saturating_add(1_000);
        connection.look = connection.deadline.min(furthest);
        let at_ns = u64::from(connection.look) * TICK_NS;
        self.wheel.put(&mut self.table, key, at_ns);
    }

    /// Looks at all whose moment has come.
    pub(crate) fn tick(&mut self) {
        if self.now_ns < self.wheel.next_tick_ns() {
            return;
        }
        let mut fired = std::mem::take(&mut self.fired);
        while self.wheel.turn(&mut self.table, self.now_ns, &mut fired) {}
        for key in fired.drain(..) {
            let Some(connection) = self.table.get_mut(key) else { continue };
            connection.look = u32::MAX;
            if u64::from(connection.deadline) * TICK_NS > self.now_ns {
                self.look(key);
            } else {
                connection.deadline = u32::MAX;
                self.expired(key);
            }
        }
        self.fired = fired;
        self.give_up_bodies();
        self.ages.turn(self.now_ns, self.generation);
        self.counters.connection_bytes.set(self.table.bytes() as u64);
        self.counters.buffer_bytes.set((self.pool.bytes() + self.read_buffer.len()) as u64);
    }

    fn expired(&mut self, key: u32) {
        let Some(connection) = self.table.get_mut(key) else { return };
        if connection.output.is_some() {
            self.counters.reached(Reached::WriteStall);
            return self.close(key);
        }
        let has_begun = connection.input.is_some();
        let shared = &self.shared;
        let is_over = |task: &Task| {
            let now_s = shared.clock.unix_seconds();
            task.until_s() <= now_s || task.session().is_some_and(|session| !shared.sessions.lives(session, now_s))
        };
        match connection.reading {
            Reading::Busy if is_over(&connection.task) => self.end_stream(key),
            Reading::Busy if connection.task.streams() => {
                write_comment(&mut self.out);
                self.await_comment(key);
                self.flush(key);
            }
            Reading::Busy => self.set_deadline(key, u64::MAX),
            Reading::Body { .. } | Reading::Chunks => self.give_up(key, Reached::BodyTime, &TOO_SLOW),
            Reading::Head if connection.refused => self.send_away(key),
            Reading::Head if has_begun => self.give_up(key, Reached::HeadTime, &TOO_SLOW),
            Reading::Head => {
                let is_new = connection.kind == ConnectionKind::New;
                self.counters.reached(if is_new { Reached::HeadTime } else { Reached::IdleTime });
                self.close(key);
            }
            Reading::Discard { .. } | Reading::Linger { .. } => self.close(key),
        }
    }

    /// As memory comes to its end, bodies that still come are not waited for any more. From then on none begins.
    fn give_up_bodies(&mut self) {
        let is_starved = self.shared.memory.is(Pressure::NoConnections);
        if std::mem::replace(&mut self.is_starved, is_starved) || !is_starved {
            return;
        }
        for key in self.table.keys() {
            let Some(connection) = self.table.get(key) else { continue };
            if matches!(connection.reading, Reading::Body { .. } | Reading::Chunks) && !connection.closes {
                self.give_up(key, Reached::Memory, &NO_ROOM);
            }
        }
    }

    /// Does not wait for the rest of a request.
    fn give_up(&mut self, key: u32, limit: Reached, refusal: &Refusal) {
        self.counters.reached(limit);
        self.dispatcher.give_up(refusal, &mut self.out);
        self.dispatcher.answered = 0;
        let Some(connection) = self.table.get_mut(key) else { return };
        connection.closes = true;
        if let Some(buffer) = connection.input.take() {
            self.pool.give_back(buffer);
        }
        self.flush(key);
    }
}
