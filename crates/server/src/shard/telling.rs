//! Changes on their way to streams: all of those that a change concerns are marked at once, and told a few at a time, so
//! that a change does not keep waiting what else the shard serves.

use std::collections::VecDeque;

use super::{ConnToken, Net, Shard};
use crate::conn::Task;
use crate::dispatch::write_changes;
use crate::engine::Updates;

/// Streams that are told in a turn of the loop, at most.
pub(super) const TELL_MAX: usize = 256;

impl<N: Net> Shard<N> {
    /// Marks the streams that asked for it.
    pub(super) fn announce(&mut self, changes: u32, updates: &Updates) {
        let waiting = self.owing.len();
        for key in self.table.keys() {
            let Some(connection) = self.table.get_mut(key) else { continue };
            let Task::Stream(stream) = &mut connection.task else { continue };
            // A session's message goes to one of its streams.
            if stream.push.as_ref().is_some_and(|push| !push.speaks()) {
                continue;
            }
            let is_in_line = stream.is_owed();
            stream.owed |= stream.wanted & changes;
            if let Some(push) = stream.push.as_ref().filter(|_| !updates.is_empty()) {
                let uris = self.shared.sessions.held.uris(push.session.id);
                stream.watch(uris);
            }
            stream.resources.iter_mut().for_each(|watched| watched.is_owed |= updates.has(&watched.uri));
            if stream.is_owed() && !is_in_line {
                self.owing.push_back(ConnToken::new(key, connection.generation));
            }
        }
        if self.owing.len() > waiting {
            self.counters.components.changes.add(1);
            // Of changes that come while others are being told, the first one's time counts for all.
            self.announced_ns.get_or_insert(self.now_ns);
        }
    }

    /// Tells some of the streams that are owed something. True while there are more.
    pub(super) fn tell_owed(&mut self) -> bool {
        for _ in 0..TELL_MAX {
            let Some(token) = self.owing.pop_front() else { break };
            if self.find(token).is_some() {
                self.settle_changes(token.key);
            }
        }
        if let Some(announced_ns) = self.announced_ns.take_if(|_| self.owing.is_empty()) {
            let took_ns = self.shared.clock.now_ns().saturating_sub(announced_ns);
            self.counters.components.fan_out.record(took_ns, 1);
        }
        if self.owing.is_empty() && self.owing.capacity() > TELL_MAX {
            // A change's room is not kept.
            self.owing = VecDeque::new();
        }
        !self.owing.is_empty()
    }

    /// Sends what a stream is owed. One that is behind gets it when it has caught up, once.
    pub(super) fn settle_changes(&mut self, key: u32) {
        let Some(connection) = self.table.get_mut(key) else { return };
        let Task::Stream(stream) = &mut connection.task else { return };
        if !stream.is_owed() || connection.output.is_some() {
            return;
        }
        let notifications = write_changes(&mut self.out, stream, self.told);
        self.counters.components.notifications.add(notifications);
        self.await_comment(key);
        self.flush(key);
    }
}
