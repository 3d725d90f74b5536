//! Streams closed on purpose; a session of their own is ended after them.

use crate::block::{Block, CloseWork, Of, Work};
use crate::engine::{Engine, NO_KEY};
use crate::net::Net;
use crate::pacing::Constant;
use crate::proto;
use crate::request::Call;

impl<N: Net> Engine<N> {
    /// Streams that are still being opened are not waited for.
    pub(in crate::engine) fn order_end_streams(&mut self, order: &proto::EndStreams, now_us: u64) {
        self.cut_all(|block| block.names(Of::Streams), now_us);
        let end = self.streams.places();
        let pace = (order.rate > 0.0).then(|| Constant::counted(order.start_us, end as u64, order.rate));
        let work = CloseWork { of: Of::Streams, pace, start_us: order.start_us, next: 0, end, streams_end: end };
        self.begin(order.block, order.phase, 0, Work::Close(work));
    }

    pub(in crate::engine) fn close_all_streams(&mut self) {
        (0..self.streams.places()).for_each(|place| self.close_stream(place));
    }

    pub(in crate::engine) fn close_stream(&mut self, place: usize) {
        let stream = &mut self.streams.list[place];
        let key = stream.key;
        if key == NO_KEY || std::mem::replace(&mut stream.closing, true) {
            return;
        }
        if self.connections[key as usize].has_socket() {
            self.close_socket(key);
            let was_held = self.leave(key, place as u32);
            self.streams.log.closed += u64::from(was_held);
        }
        self.give_up_stream(key, place as u32);
    }

    /// The server has answered to the end of the session.
    pub(super) fn stream_parted(&mut self, key: u32, place: u32) {
        self.close_socket(key);
        self.leave(key, place);
        self.drop_stream(key, place);
    }

    /// Gives up a stream without a socket, whose session is ended before that, if it has one.
    pub(in crate::engine) fn give_up_stream(&mut self, key: u32, place: u32) {
        let connection = &mut self.connections[key as usize];
        connection.opening = None;
        let block = std::mem::take(&mut connection.block);
        let has_session = connection.session.is_some();
        self.opening_ended(block);
        if has_session {
            let stream = &mut self.streams.list[place as usize];
            (stream.call, stream.closing) = (Call::EndSession, true);
            self.line_again(key);
        } else {
            self.drop_stream(key, place);
        }
    }

    /// Forgets a stream without a socket.
    pub(in crate::engine) fn drop_stream(&mut self, key: u32, place: u32) {
        let connection = self.connections.remove(key as usize);
        self.streams.list[place as usize].key = NO_KEY;
        self.opening_ended(connection.block);
    }

    /// The same for one that its block has not put into the line.
    pub(in crate::engine) fn drop_unlined_stream(&mut self, place: u32) {
        let key = self.streams.key(place);
        if key != NO_KEY {
            self.connections[key as usize].block = 0;
            self.drop_stream(key, place);
        }
    }

    /// Forgets places that nobody names any more. Until streams were closed it is told each second how many are held,
    /// also where that is none.
    pub(in crate::engine) fn trim_streams(&mut self) {
        let is_named = |block: &Block| block.names(Of::Streams) || matches!(block.work, Work::Close(_));
        if self.streams.are_closed(usize::MAX) && !self.blocks.iter().any(is_named) {
            self.streams.list.clear();
        }
    }

    /// The run is over: streams count as closed, and their sockets are closed with all others.
    pub(in crate::engine) fn withdraw_streams(&mut self) {
        self.settle_change(u64::MAX);
        for mut stream in self.streams.list.drain(..).filter(|stream| stream.key != NO_KEY && stream.is_held()) {
            let endpoint = self.connections[stream.key as usize].endpoint;
            self.endpoints.get_mut(endpoint).streams -= 1;
            self.streams.log.closed += 1;
            self.streams.log.surplus += stream.take_surplus();
        }
    }
}
