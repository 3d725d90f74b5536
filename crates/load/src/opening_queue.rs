//! Whose turn it is to be opened.

use std::collections::VecDeque;

use crate::random::Random;

/// Openings in flight at most, where no block says otherwise.
pub(crate) const AT_ONCE: u32 = 512;
/// Openings of one connection in one block, at most; then its opening counts as failed.
pub(crate) const OPENINGS_MAX: u8 = 4;
/// Wait before the second try and, doubled each time, at most.
const WAIT_US: u64 = 50_000;
const WAIT_MAX_US: u64 = 5_000_000;

/// Connections waiting to be opened: lost ones before planned ones.
#[derive(Debug, Default)]
pub(crate) struct OpeningQueue {
    again: VecDeque<u32>,
    planned: VecDeque<u32>,
    /// Openings begun and neither done nor failed.
    pub(crate) in_flight: u32,
}

impl OpeningQueue {
    pub(crate) fn push_again(&mut self, key: u32) {
        self.again.push_back(key);
    }

    pub(crate) fn push_planned(&mut self, key: u32) {
        self.planned.push_back(key);
    }

    /// The next one, which may have left the queue meanwhile.
    pub(crate) fn pop(&mut self) -> Option<u32> {
        self.again.pop_front().or_else(|| self.planned.pop_front())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.again.is_empty() && self.planned.is_empty()
    }
}

/// How long to wait after so many failures in a row: nothing after the first loss, then longer each time.
pub(crate) fn wait_us(failures: u8, random: &mut Random) -> u64 {
    if failures == 0 {
        return 0;
    }
    let doubled = WAIT_US << (failures - 1).min(16);
    random.jitter(doubled.min(WAIT_MAX_US))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lost_come_before_the_planned() {
        let mut queue = OpeningQueue::default();
        queue.push_planned(1);
        queue.push_again(2);
        queue.push_planned(3);
        assert_eq!([queue.pop(), queue.pop(), queue.pop(), queue.pop()], [Some(2), Some(1), Some(3), None]);
        assert!(queue.is_empty());
    }

    #[test]
    fn waits_grow_and_are_bounded() {
        let mut random = Random::new(1, 1);
        assert_eq!(wait_us(0, &mut random), 0);
        assert!((37_500..=62_500).contains(&wait_us(1, &mut random)));
        assert!((75_000..=125_000).contains(&wait_us(2, &mut random)));
        assert!(wait_us(u8::MAX, &mut random) <= WAIT_MAX_US * 5 / 4);
    }
}
