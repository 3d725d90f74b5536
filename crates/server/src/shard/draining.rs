//! How a shard ends: no new connections, streams end with their result, what is in flight is answered, the idle go. Where
//! another process takes this one's place, connections go there as soon as they are idle, and their clients notice
//! nothing: no byte that a client sends can cross the end of its connection. Secured connections can't go: their keys are
//! here.

use std::sync::atomic::Ordering;

use tokio::sync::mpsc::error::TrySendError;

use super::{Net, Shard, ms};
use crate::conn::{Connection, Reading, Stream, Task};
use crate::engine::{Handed, Heir, Pressure};

/// A drain that has begun.
#[derive(Debug)]
pub(super) struct Drain {
    began_ns: u64,
    /// Takes the connections over; None: they are ended.
    heir: Option<Heir>,
    /// Accepting is over, and the streams are told.
    accepting_over: bool,
    /// The idle are told.
    idle_told: bool,
    /// When it was last looked who is idle.
    looked_ns: u64,
    /// So many go at a look.
    together: usize,
    /// Those who are still to be looked at, before all are looked at anew.
    left: Vec<u32>,
}

/// Between two looks who is idle, where more are left than go together.
const LOOK_EVERY_NS: u64 = 4_000_000;
/// So many go over at a look, 8,000 a second. Each costs the two processes three system calls, and a look wakes three threads: so
/// moving takes little of the cores at a time, and of a smaller batch the waking would be the larger part.
pub(super) const GO_TOGETHER: usize = 32;

impl<N: Net> Shard<N> {
    /// Looks how far the drain is.
    pub(crate) fn go_on_draining(&mut self) {
        if self.drain.is_none() {
            self.drain = self.begin_drain();
        }
        let Some(mut drain) = self.drain.take() else { return };
        if drain.heir.is_some() {
            self.go_on_handing(&mut drain);
        } else {
            self.go_on_ending(&mut drain);
        }
        self.drain = Some(drain);
    }

    /// When the drain is to be looked at again, whatever else happens.
    pub(super) fn next_look_ns(&self) -> Option<u64> {
        let handing = self.drain.as_ref().filter(|drain| drain.heir.is_some());
        handing.map(|drain| drain.looked_ns + LOOK_EVERY_NS)
    }

    fn begin_drain(&self) -> Option<Drain> {
        let drains = self.shared.draining.load(Ordering::Acquire);
        let heir = if drains { None } else { self.shared.heir() };
        (drains || heir.is_some()).then(|| Drain {
            began_ns: self.now_ns,
            // Secured connections can't go over. They end as in any drain, and come back to the heir.
            heir: heir.filter(|_| self.shared.tls.is_none()),
            accepting_over: false,
            idle_told: false,
            looked_ns: 0,
            together: self.go_together(),
            left: Vec::new(),
        })
    }

    /// How many go over at a look: more where they would not be gone in half of the time that a drain has.
    fn go_together(&self) -> usize {
        let looks = ms(self.shared.limits.drain_timeout_ms) / 2 / LOOK_EVERY_NS;
        self.table.len().div_ceil(usize::try_from(looks).unwrap_or(usize::MAX).max(1)).max(GO_TOGETHER)
    }

    fn go_on_ending(&mut self, drain: &mut Drain) {
        let limits = &self.shared.limits;
        let lead_ns = ms(limits.drain_lead_ms);
        let idle_ns = lead_ns.saturating_add(ms(limits.drain_idle_ms));
        let since_ns = self.now_ns.saturating_sub(drain.began_ns);
        if since_ns >= lead_ns && !self.dispatcher.draining {
            drain.accepting_over = true;
            self.dispatcher.draining = true;
            self.end_streams(|_| true);
        }
        // Later ones end as they become idle.
        if since_ns >= idle_ns && !drain.idle_told {
            drain.idle_told = true;
            self.end_idle();
        }
    }

    fn go_on_handing(&mut self, drain: &mut Drain) {
        // The heir accepts from the same sockets.
        drain.accepting_over = true;
        let is_told_to_end = self.shared.draining.load(Ordering::Acquire);
        let is_due = self.now_ns.saturating_sub(drain.looked_ns) >= LOOK_EVERY_NS;
        if !is_told_to_end && !is_due && self.table.len() > GO_TOGETHER {
            return;
        }
        drain.looked_ns = self.now_ns;
        if drain.left.is_empty() {
            drain.left = self.table.keys();
        }
        if !self.hand_over_some(drain) || is_told_to_end {
            // As if there had never been an heir.
            self.shared.draining.store(true, Ordering::Release);
            (drain.heir, drain.began_ns) = (None, self.now_ns);
            self.go_on_ending(drain);
        }
    }

    /// Of those who are left some go over where they are idle, and end where they are streams, as far as the heir keeps up.
    /// False where it takes no more.
    fn hand_over_some(&mut self, drain: &mut Drain) -> bool {
        let Some(heir) = &drain.heir else { return false };
        let place = match heir.try_reserve() {
            Ok(place) => place,
            Err(TrySendError::Full(())) => return true,
            Err(TrySendError::Closed(())) => return false,
        };
        let (mut batch, mut gone) = (Vec::new(), 0);
        while gone < drain.together
            && let Some(key) = drain.left.pop()
        {
            let Some(connection) = self.table.get(key) else { continue };
            if matches!(connection.task, Task::Stream(_)) {
                self.end_stream(key);
            } else if connection.is_idle()
                && let Some(Connection { stream, listener, kind, .. }) = self.take_out(key)
            {
                // One that can't be let go of is closed.
                batch.extend(self.net.release(stream).ok().map(|socket| Handed { socket, listener, kind }));
            } else {
                continue;
            }
            gone += 1;
        }
        if !batch.is_empty() {
            place.send(batch);
        }
        true
    }

    /// Every answer from now on is the last one of its connection.
    pub(super) fn ends_all(&self) -> bool {
        self.drain.as_ref().is_some_and(|drain| drain.heir.is_none())
    }

    /// The idle have been ended: who becomes idle from now on ends at once.
    pub(super) fn are_idle_told(&self) -> bool {
        self.drain.as_ref().is_some_and(|drain| drain.idle_told)
    }

    /// True while no connection is accepted for lack of memory.
    pub(crate) fn rests_from_accepting(&self) -> bool {
        self.shared.memory.is(Pressure::NoConnections)
    }

    /// True while connections are taken.
    pub(crate) fn accepts(&self) -> bool {
        self.drain.as_ref().is_none_or(|drain| !drain.accepting_over)
    }

    /// This shard was the one that accepted, and does so no more.
    pub(crate) fn end_accepting(&self) {
        self.shared.accepting_ended.store(true, Ordering::Release);
        self.shared.mailboxes.iter().for_each(|mailbox| mailbox.wake());
    }

    /// None while the shard has work to do; then how many connections had to be cut.
    pub(crate) fn ended(&mut self) -> Option<u64> {
        let drain = self.drain.as_ref().filter(|drain| drain.accepting_over)?;
        // In this order: what was handed over before the end of accepting is in the mailbox by then.
        let none_comes = self.shared.accepting_ended.load(Ordering::Acquire) && !self.mailbox.has_news();
        if none_comes && self.table.len() == 0 {
            return Some(0);
        }
        if self.now_ns.saturating_sub(drain.began_ns) < ms(self.shared.limits.drain_timeout_ms) {
            return None;
        }
        let mut cut = 0;
        for key in self.table.keys() {
            // Who lingers has its answer.
            let lingers = self.table.get(key).is_some_and(|open| matches!(open.reading, Reading::Linger { .. }));
            cut += u64::from(!lingers);
            self.close(key);
        }
        Some(cut)
    }

    pub(super) fn end_streams(&mut self, which: impl Fn(&Stream) -> bool) {
        for key in self.table.keys() {
            let Some(connection) = self.table.get_mut(key) else { continue };
            if matches!(&connection.task, Task::Stream(stream) if which(stream)) {
                self.end_stream(key);
            }
        }
    }

    pub(super) fn end_stream(&mut self, key: u32) {
        self.settle_changes(key);
        let Some(connection) = self.table.get_mut(key) else { return };
        if !matches!(connection.task, Task::Stream(_)) {
            return;
        }
        let Task::Stream(stream) = std::mem::replace(&mut connection.task, Task::None) else { return };
        connection.closes = true;
        self.counters.streams.subtract(1);
        self.dispatcher.end_stream(&mut self.out, &stream);
        self.flush(key);
    }

    fn end_idle(&mut self) {
        for key in self.table.keys() {
            let Some(connection) = self.table.get_mut(key) else { continue };
            if connection.is_idle() {
                connection.closes = true;
                self.flush(key);
            }
        }
    }
}
