//! Changes of the target: who has told of them, and when.

use erlmcp_record::Entry;

use crate::engine::Engine;
use crate::net::Net;
use crate::proto;
use crate::stream::Watched;

impl<N: Net> Engine<N> {
    /// A change was made: streams are waited for to tell of it. One at a time: one before it is waited for no longer.
    pub(in crate::engine) fn order_change(&mut self, change: &proto::Change) {
        self.settle_change(u64::MAX);
        let (list, spare) = (&mut self.streams.list, self.ledger.spare_hists());
        self.streams.watched = Some(Watched::begin((change.change, change.at_us, change.until_us), list, spare));
    }

    /// A stream has told of so many changes.
    pub(super) fn stream_told(&mut self, place: u32, changes: u64, now_us: u64) {
        let stream = &mut self.streams.list[place as usize];
        stream.tells(changes, now_us, self.loop_times.receive_lag_us(now_us));
        if let Some(watched) = &mut self.streams.watched {
            watched.heard(stream, self.ledger.spare_hists());
        }
    }

    /// Tells what became of the change, where it is waited for no longer.
    pub(in crate::engine) fn settle_change(&mut self, now_us: u64) {
        if let Some(watched) = self.streams.watched.take_if(|watched| watched.is_over(now_us)) {
            let row = watched.into_row(self.settings.agent, self.phase, &mut self.streams.list);
            self.outbox.row(Entry::FanOut(row));
        }
    }
}
