//! One direction of a connection, without IO: bytes go in, and come out later, slower, in slices, or never.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Bytes that a lane holds at most; beyond that its sender waits, as on a slow link.
const HELD_MAX: usize = 256 * 1024;

/// What is done to all that passes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Weather {
    /// Later by so much, each byte on its way to the server.
    #[serde(default)]
    pub(crate) latency_in_ms: u64,
    /// The same of what the server says.
    #[serde(default)]
    pub(crate) latency_out_ms: u64,
    /// So many a second at most; 0: no limit.
    #[serde(default)]
    pub(crate) bytes_a_second: u64,
    /// In pieces of so many; 0: as they come.
    #[serde(default)]
    pub(crate) slice: u64,
    /// So many bytes of what the server says pass on a connection from now on, and no more.
    #[serde(default)]
    pub(crate) then_nothing: Option<u64>,
    /// The same, and then both sides are reset.
    #[serde(default)]
    pub(crate) then_reset: Option<u64>,
}

impl Weather {
    fn is_fair(&self) -> bool {
        *self == Self::default()
    }
}

/// What a lane has for its receiver.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Bytes(Vec<u8>),
    /// Nothing before this time.
    At(u64),
    /// Nothing until more comes in.
    Idle,
    /// The connection is to be reset.
    Reset,
}

#[derive(Debug, Default)]
pub(super) struct Lane {
    /// It is the way of what the server says.
    is_answer: bool,
    /// With the times at which they are due, which never go back.
    waiting: VecDeque<(u64, Vec<u8>)>,
    held: usize,
    /// When the last byte that came in is due.
    last_ns: u64,
    /// What passed since the bounds of the weather were set.
    passed: u64,
    /// Bytes were swallowed, so that what comes after them is of no use.
    is_broken: bool,
    is_reset: bool,
}

/// Room for so many pieces is kept while nothing waits: a connection at rest costs little.
const PIECES_KEPT: usize = 16;

impl Lane {
    pub(super) fn new(is_answer: bool) -> Self {
        Self { is_answer, ..Self::default() }
    }

    /// Nothing waits, and nothing would be done to what comes: it need not go through the lane.
    pub(super) fn is_clear(&self, weather: &Weather) -> bool {
        self.waiting.is_empty() && !self.is_broken && weather.is_fair()
    }

    /// How much it takes now.
    pub(super) fn room(&self) -> usize {
        HELD_MAX - self.held.min(HELD_MAX)
    }

    /// The bounds of a new weather count from here. Whose bytes were swallowed is reset: no TCP connection goes on with a
    /// hole in it.
    pub(super) fn weather_changed(&mut self) {
        self.passed = 0;
        self.is_reset |= self.is_broken;
    }

    pub(super) fn push(&mut self, bytes: &[u8], now_ns: u64, weather: &Weather) {
        let bytes = self.bounded(bytes, weather);
        let piece = if weather.slice == 0 { bytes.len().max(1) } else { weather.slice as usize };
        for piece in bytes.chunks(piece) {
            // Slices leave one by one: a millisecond keeps them apart, however quick the receiver is.
            let apart_ns = if weather.slice == 0 { 0 } else { 1_000_000 };
            let takes_ns = match weather.bytes_a_second {
                0 => apart_ns,
                rate => apart_ns.max(piece.len() as u64 * 1_000_000_000 / rate),
            };
            let late_ms = if self.is_answer { weather.latency_out_ms } else { weather.latency_in_ms };
            let begins_ns = (now_ns + late_ms * 1_000_000).max(self.last_ns);
            self.last_ns = begins_ns + takes_ns;
            self.held += piece.len();
            self.waiting.push_back((self.last_ns, piece.to_vec()));
        }
    }

    /// What is let through of it: answers have the bounds of the weather, questions have none.
    fn bounded<'a>(&mut self, bytes: &'a [u8], weather: &Weather) -> &'a [u8] {
        if self.is_broken {
            return &[];
        }
        let Some(most) = weather.then_nothing.or(weather.then_reset).filter(|_| self.is_answer) else { return bytes };
        let left = most.saturating_sub(self.passed).min(bytes.len() as u64) as usize;
        self.passed += bytes.len() as u64;
        self.is_broken |= self.passed > most;
        self.is_reset |= weather.then_reset.is_some() && self.is_broken;
        &bytes[..left]
    }

    pub(super) fn next(&mut self, now_ns: u64) -> Next {
        match self.waiting.front() {
            Some((due_ns, _)) if *due_ns > now_ns => Next::At(*due_ns),
            Some(_) => {
                let bytes = self.waiting.pop_front().map(|(_, bytes)| bytes).unwrap_or_default();
                self.held -= bytes.len();
                if self.waiting.is_empty() {
                    self.waiting.shrink_to(PIECES_KEPT);
                }
                Next::Bytes(bytes)
            }
            None if self.is_reset => Next::Reset,
            None => Next::Idle,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn all(lane: &mut Lane, now_ns: u64) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        while let Next::Bytes(bytes) = lane.next(now_ns) {
            found.push(bytes);
        }
        found
    }

    #[test]
    fn in_fair_weather_all_passes_at_once() {
        let mut lane = Lane::default();
        lane.push(b"hello", 7, &Weather::default());
        assert_eq!((lane.next(7), lane.next(7)), (Next::Bytes(b"hello".to_vec()), Next::Idle));
    }

    #[test]
    fn latency_keeps_the_order_and_has_a_direction() {
        let late = Weather { latency_in_ms: 50, ..Weather::default() };
        let mut back = Lane::new(true);
        back.push(b"a", 0, &late);
        assert_eq!(all(&mut back, 0), [b"a".to_vec()], "the other way is as it was");
        let mut lane = Lane::new(false);
        lane.push(b"a", 0, &late);
        lane.push(b"b", 10 * MS, &Weather::default());
        assert_eq!(lane.next(49 * MS), Next::At(50 * MS));
        assert_eq!(all(&mut lane, 50 * MS), [b"a".to_vec(), b"b".to_vec()], "what comes later does not overtake");
    }

    #[test]
    fn a_narrow_link_takes_its_time_and_holds_its_sender_up() {
        let narrow = Weather { bytes_a_second: 1_000, ..Weather::default() };
        let mut lane = Lane::default();
        lane.push(&[1; 500], 0, &narrow);
        lane.push(&[2; 500], 0, &narrow);
        assert_eq!(lane.next(499 * MS), Next::At(500 * MS));
        assert_eq!((all(&mut lane, 500 * MS).len(), lane.next(999 * MS)), (1, Next::At(1_000 * MS)));
        lane.push(&vec![3; HELD_MAX], 0, &narrow);
        assert_eq!(lane.room(), 0);
    }

    #[test]
    fn slices_are_small_and_apart() {
        let sliced = Weather { slice: 2, ..Weather::default() };
        let mut lane = Lane::default();
        lane.push(b"abcde", 0, &sliced);
        assert_eq!(all(&mut lane, MS), [b"ab".to_vec()]);
        assert_eq!(all(&mut lane, 3 * MS), [b"cd".to_vec(), b"e".to_vec()]);
    }

    #[test]
    fn an_answer_can_end_in_its_middle() {
        let hole = Weather { then_nothing: Some(3), ..Weather::default() };
        let mut question = Lane::new(false);
        question.push(b"abcdef", 0, &hole);
        assert_eq!(all(&mut question, 0).concat(), b"abcdef", "it is about answers");
        let mut lane = Lane::new(true);
        lane.push(b"ab", 0, &hole);
        lane.push(b"cdef", 0, &hole);
        assert_eq!(all(&mut lane, 0).concat(), b"abc");
        assert_eq!(lane.next(MS), Next::Idle, "nothing more, and no end");
        assert!(!lane.is_clear(&Weather::default()));
        lane.weather_changed();
        lane.push(b"g", MS, &Weather::default());
        assert_eq!(lane.next(MS), Next::Reset, "what has a hole in it does not go on");
        let cut = Weather { then_reset: Some(3), ..Weather::default() };
        let mut lane = Lane::new(true);
        lane.push(b"abcd", 0, &cut);
        assert_eq!(all(&mut lane, 0).concat(), b"abc");
        assert_eq!(lane.next(0), Next::Reset);
    }
}
