//! Streams of notifications: what each of them is doing, and what became of a change that they are to tell of.

use erlmcp_record::{FanOutRow, Hist};

use crate::ledger::SpareHists;
use crate::request::Call;

/// One stream that is to be held.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Of its connection, which is there until the stream is given up.
    pub(crate) key: u32,
    /// What it does, or begins with when it is opened next; its session, if it has one, is the connection's.
    pub(crate) call: Call,
    /// Since when it has been held, run clock; 0: it is not.
    pub(crate) held_us: u64,
    /// Since when one that was held has not been, run clock; 0: it is held, or never was.
    pub(crate) lost_us: u64,
    /// When it last told of a change; 0: never.
    pub(crate) told_us: u64,
    /// How long, at most, what it told had lain there then.
    pub(crate) lag_us: u64,
    /// The id of the request that has opened it.
    pub(crate) id: u64,
    /// Changes that it was held over, and how often it has told of one since the first of them.
    changes: u64,
    told: u64,
    /// It is waited for to tell of the change that is being watched.
    pub(crate) is_awaited: bool,
    /// Of a legacy stream: its last event, after which it goes on when it is opened again.
    pub(crate) after: Option<Box<str>>,
    /// How long the server wants it to be left alone before that; 0: it does not say.
    pub(crate) retry_us: u64,
    /// To be closed; what is left to do is to end its session.
    pub(crate) closing: bool,
}

impl Stream {
    pub(crate) fn new(key: u32, first: Call) -> Self {
        Self {
            key,
            call: first,
            held_us: 0,
            lost_us: 0,
            told_us: 0,
            lag_us: 0,
            id: 0,
            changes: 0,
            told: 0,
            is_awaited: false,
            after: None,
            retry_us: 0,
            closing: false,
        }
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held_us > 0
    }

    /// It has told of so many changes at once.
    pub(crate) fn tells(&mut self, changes: u64, now_us: u64, lag_us: u64) {
        (self.told_us, self.lag_us) = (now_us, lag_us);
        self.told += changes;
    }

    /// A change was made while it was held. What it told before the first one is not counted: of the older era it may be what it had
    /// missed.
    fn owes(&mut self, at_us: u64) {
        if self.changes == 0 {
            self.told = u64::from(self.told_us >= at_us);
        }
        self.changes += 1;
    }

    /// It has ended: how many changes it told of beyond those that were made.
    pub(crate) fn take_surplus(&mut self) -> u64 {
        let (changes, told) = (std::mem::take(&mut self.changes), std::mem::take(&mut self.told));
        if changes == 0 { 0 } else { told.saturating_sub(changes) }
    }
}

/// A change that streams are waited for to tell of.
#[derive(Debug)]
pub(crate) struct Watched {
    change: u32,
    at_us: u64,
    pub(crate) until_us: u64,
    /// Streams that were held before it, and those of them that are still awaited.
    streams: u64,
    awaited: u64,
    lost: u64,
    last_us: Option<u64>,
    latency: Option<Hist>,
    receive_lag: Option<Hist>,
}

impl Watched {
    /// Begins to wait. What a stream has told since the change counts, though the change was not known then.
    pub(crate) fn begin(
        (change, at_us, until_us): (u32, u64, u64),
        streams: &mut [Stream],
        spare: &mut SpareHists,
    ) -> Self {
        let mut watched = Self {
            change,
            at_us,
            until_us,
            streams: 0,
            awaited: 0,
            lost: 0,
            last_us: None,
            latency: None,
            receive_lag: None,
        };
        for stream in streams.iter_mut().filter(|stream| stream.is_held() && stream.held_us <= at_us) {
            watched.streams += 1;
            watched.awaited += 1;
            stream.is_awaited = true;
            stream.owes(at_us);
            if stream.told_us >= at_us {
                watched.heard(stream, spare);
            }
        }
        watched
    }

    /// A stream has told of a change, as `told_us` says.
    pub(crate) fn heard(&mut self, stream: &mut Stream, spare: &mut SpareHists) {
        if stream.told_us < self.at_us || !std::mem::take(&mut stream.is_awaited) {
            return;
        }
        self.awaited -= 1;
        self.last_us = self.last_us.max(Some(stream.told_us));
        self.latency.get_or_insert_with(|| spare.take()).record_us(stream.told_us - self.at_us);
        self.receive_lag.get_or_insert_with(|| spare.take()).record_us(stream.lag_us);
    }

    /// A stream is not held any more.
    pub(crate) fn lost(&mut self, stream: &mut Stream) {
        if std::mem::take(&mut stream.is_awaited) {
            self.awaited -= 1;
            self.lost += 1;
        }
    }

    /// No stream is waited for any more.
    pub(crate) fn is_over(&self, now_us: u64) -> bool {
        self.awaited == 0 || now_us >= self.until_us
    }

    /// Ends the wait: who has not told by now has missed it.
    pub(crate) fn into_row(self, agent: u32, phase: u8, streams: &mut [Stream]) -> FanOutRow {
        streams.iter_mut().for_each(|stream| stream.is_awaited = false);
        FanOutRow {
            agent,
            phase,
            change: self.change,
            streams: self.streams,
            heard: self.streams - self.awaited - self.lost,
            missed: self.awaited,
            lost: self.lost,
            last_us: self.last_us,
            latency: self.latency,
            receive_lag: self.receive_lag,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(since_us: u64, told_us: u64) -> Stream {
        Stream { held_us: since_us, told_us, ..Stream::new(0, Call::Listen) }
    }

    #[test]
    fn every_stream_of_a_change_is_heard_missed_or_lost() {
        let mut spare = SpareHists::default();
        // Told before the change; told already; told later; lost; one that came after the change; one that is not held.
        let mut streams = [held(10, 400), held(10, 600), held(10, 0), held(10, 0), held(501, 0), held(0, 0)];
        let mut watched = Watched::begin((3, 500, 900), &mut streams, &mut spare);
        (streams[2].told_us, streams[2].lag_us) = (700, 5);
        watched.heard(&mut streams[2], &mut spare);
        watched.heard(&mut streams[2], &mut spare);
        streams[4].told_us = 700;
        watched.heard(&mut streams[4], &mut spare);
        watched.lost(&mut streams[3]);
        watched.lost(&mut streams[3]);
        assert!(!watched.is_over(899) && watched.is_over(900));
        let row = watched.into_row(1, 3, &mut streams);
        assert_eq!((row.streams, row.heard, row.missed, row.lost), (4, 2, 1, 1));
        assert_eq!((row.change, row.last_us), (3, Some(700)));
        let latency = row.latency.expect("two were heard");
        assert_eq!((latency.count(), latency.min_us(), latency.max_us()), (2, Some(100), Some(200)));
        let lag = row.receive_lag.expect("two were heard");
        assert_eq!((lag.count(), lag.max_us()), (2, Some(5)));
        assert!(streams.iter().all(|stream| !stream.is_awaited));
    }

    #[test]
    fn what_is_told_beyond_the_changes_is_surplus() {
        let mut spare = SpareHists::default();
        let mut streams = [held(10, 0), held(10, 0), held(700, 0)];
        streams.iter_mut().for_each(|stream| stream.tells(3, 20, 0));
        // The first one is a moment ahead of the news of the change.
        streams[0].tells(1, 505, 0);
        drop(Watched::begin((1, 500, 600), &mut streams, &mut spare).into_row(1, 3, &mut streams));
        // Too late is missed, and no surplus.
        streams[1].tells(1, 750, 0);
        drop(Watched::begin((2, 800, 900), &mut streams, &mut spare));
        [(0, 2), (1, 1), (2, 1)].into_iter().for_each(|(place, told)| streams[place].tells(told, 810, 0));
        assert_eq!(streams.each_mut().map(Stream::take_surplus), [1, 0, 0]);
        assert_eq!(streams.each_mut().map(Stream::take_surplus), [0, 0, 0], "it is told once");
    }

    #[test]
    fn the_wait_is_over_when_all_have_told() {
        let mut spare = SpareHists::default();
        let mut streams = [held(1, 0)];
        let mut watched = Watched::begin((1, 5, 90), &mut streams, &mut spare);
        assert!(!watched.is_over(6));
        streams[0].told_us = 6;
        watched.heard(&mut streams[0], &mut spare);
        assert!(watched.is_over(6));
    }
}
