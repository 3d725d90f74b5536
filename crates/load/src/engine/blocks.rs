//! The end of blocks.

use super::Engine;
use crate::block::{Block, CloseWork, Of, OpenWork, ReconnectWork, Work};
use crate::connection::Role;
use crate::net::Net;
use crate::report::Report;

impl Block {
    /// True where places among these matter to the block.
    pub(super) fn names(&self, which: Of) -> bool {
        match &self.work {
            Work::Sequential(_) => false,
            Work::Arrivals(_) | Work::Sessions(_) | Work::Reconnect(_) | Work::Rebalance(_) => which == Of::Clients,
            Work::Open(OpenWork { of, .. }) | Work::Close(CloseWork { of, .. }) => *of == which,
        }
    }
}

impl<N: Net> Engine<N> {
    /// Tells of the blocks that have ended, after all of their rows.
    pub(super) fn end_blocks(&mut self) {
        let mut index = 0;
        while index < self.blocks.len() {
            if !self.has_ended(&self.blocks[index]) {
                index += 1;
                continue;
            }
            let block = self.blocks.remove(index);
            if matches!(&block.work, Work::Reconnect(ReconnectWork { outage_us: 1.., .. })) {
                self.outage = None;
            }
            let now_us = self.net.now_us();
            self.trim_clients();
            self.tell_intervals(now_us);
            if matches!(block.work, Work::Open(_) | Work::Close(_) | Work::Reconnect(_) | Work::Rebalance(_)) {
                self.tell_connections();
                self.tell_streams();
            }
            if matches!(block.work, Work::Close(_)) {
                self.trim_streams();
            }
            self.tell_planned(block.id, block.planned_told, self.ledger.tally(block.id).planned);
            self.ledger.end(block.id);
            self.outbox.push(Report::Done { block: block.id });
        }
    }

    /// Tells how much a block planned where that is not what was told before.
    pub(super) fn tell_planned(&mut self, block: u32, told: u64, planned: u64) {
        if planned != told {
            self.outbox.push(Report::Planned { block, planned });
        }
    }

    fn is_sequential(&self, key: u32, block: u32) -> bool {
        self.connections.get(key as usize).is_some_and(|connection| connection.role == Role::Sequential(block))
    }

    fn has_ended(&self, block: &Block) -> bool {
        let is_over = match &block.work {
            Work::Open(open) => open.lined == open.count && open.pending == 0,
            Work::Arrivals(arrivals) => arrivals.pace.next_us().is_none(),
            Work::Sessions(sessions) => sessions.next_us().is_none(),
            Work::Sequential(sequence) => sequence.left == 0 && !self.is_sequential(sequence.key, block.id),
            Work::Close(close) => {
                let of_clients = close.of == Of::Streams || self.clients.iter().take(close.end).all(is_closed);
                close.next == close.end && of_clients && self.streams.are_closed(close.streams_end)
            }
            Work::Reconnect(reconnect) => self.are_back(reconnect),
            Work::Rebalance(work) => work.is_over,
        };
        is_over && self.ledger.outstanding(block.id) == 0
    }
}

fn is_closed(key: &u32) -> bool {
    *key == super::NO_KEY
}
