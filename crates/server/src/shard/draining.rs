//! How a shard ends: no new connections, streams end with their result, what is in flight is answered, the idle go.

use super::{Net, Shard, ms};
use crate::conn::{Reading, Stream, Task};

/// A drain that has begun.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drain {
    began_ns: u64,
    /// Accepting is over, and the streams are told.
    accepting_over: bool,
    /// The idle are told.
    idle_told: bool,
}

impl<N: Net> Shard<N> {
    /// Looks how far the drain is.
    pub(crate) fn go_on_draining(&mut self) {
        if self.drain.is_none() && self.shared.draining.load(std::sync::atomic::Ordering::Acquire) {
            self.drain = Some(Drain { began_ns: self.now_ns, accepting_over: false, idle_told: false });
        }
        let Some(mut drain) = self.drain else { return };
        let limits = &self.shared.limits;
        let lead_ns = ms(limits.drain_lead_ms);
        let idle_ns = lead_ns + ms(limits.drain_idle_ms);
        let since_ns = self.now_ns.saturating_sub(drain.began_ns);
        if since_ns >= lead_ns && !drain.accepting_over {
            drain.accepting_over = true;
            self.dispatcher.draining = true;
            self.end_streams(|_| true);
        }
        // Later ones become idle after their answer, which ends them.
        if since_ns >= idle_ns && !drain.idle_told {
            drain.idle_told = true;
            self.end_idle();
        }
        self.drain = Some(drain);
    }

    /// True while connections are taken.
    pub(crate) fn accepts(&self) -> bool {
        self.drain.is_none_or(|drain| !drain.accepting_over)
    }

    /// None while the shard has work to do; then how many connections had to be cut.
    pub(crate) fn ended(&mut self) -> Option<u64> {
        let drain = self.drain.filter(|drain| drain.accepting_over)?;
        if self.table.len() == 0 {
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
