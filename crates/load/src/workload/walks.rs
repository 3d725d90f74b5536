//! Sessions that have begun.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Sessions under way at once in one block, at most.
pub(crate) const WALKS_MAX: usize = 1 << 20;

/// A session on its way, and when its next step is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Walk {
    pub(crate) at_us: u64,
    /// Which of all sessions of the agent it is.
    pub(crate) number: u32,
    /// Of the client; None: there was none.
    pub(crate) place: Option<u32>,
    /// Which of the workload's it is.
    pub(crate) session: u16,
    /// Steps done, the one that is due among them.
    pub(crate) position: u16,
}

/// The sessions of a block, the one first that is due first.
#[derive(Debug, Default)]
pub(crate) struct Walks(BinaryHeap<Reverse<Walk>>);

impl Walks {
    pub(crate) fn next_us(&self) -> Option<u64> {
        self.0.peek().map(|Reverse(walk)| walk.at_us)
    }

    /// False where there are too many.
    #[must_use]
    pub(crate) fn push(&mut self, walk: Walk) -> bool {
        let has_room = self.0.len() < WALKS_MAX;
        if has_room {
            self.0.push(Reverse(walk));
        }
        has_room
    }

    pub(crate) fn pop(&mut self) -> Option<Walk> {
        self.0.pop().map(|Reverse(walk)| walk)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
