//! The order in which work is refused where there is not room for all of it: first what costs nobody anything to put off,
//! last what others wait for already. Sessions and streams go before all work, see [`JobQueue::is_pressed`].
//!
//! [`JobQueue::is_pressed`]: super::JobQueue::is_pressed

/// Who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// Resources, prompts, completion: has some places fewer than the others.
    Read,
    Call,
    /// The next round of a call that has asked its client, the next attempt at one, which has cost more already, and the question what
    /// became of an operation: takes the place of something else, where there is no other.
    GoesOn,
}

impl Rank {
    /// How many of `limit` places work of this rank may fill.
    pub(super) fn places(self, limit: u64) -> u64 {
        match self {
            Self::Read => limit - limit / 8,
            Self::Call | Self::GoesOn => limit,
        }
    }
}

/// With so many of `limit` places taken, no new sessions and streams are begun: they would only bring more work.
pub(super) fn pressed_at(limit: u64) -> u64 {
    (limit - limit / 4).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_holds_for_every_number_of_places() {
        for limit in 0..2_000 {
            let (read, call) = (Rank::Read.places(limit), Rank::Call.places(limit));
            assert!(read <= call && call == limit && Rank::GoesOn.places(limit) == call);
            assert!(pressed_at(limit) <= read.max(1), "{limit}");
        }
        assert_eq!((pressed_at(500), Rank::Read.places(500)), (375, 438));
    }
}
