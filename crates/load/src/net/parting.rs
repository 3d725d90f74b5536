//! Sockets whose peer is cut off, closed a few at a time.
//!
//! Their FINs are sent again and again until the peer hears them, at the same times if they were closed together, and
//! thousands at once overrun the kernel's queue for loopback (net.core.netdev_max_backlog, 1,000 packets a core): most
//! would be lost in every round, and the peer would hold those connections for minutes.

/// Over so many slots closings are spread; the kernel's timers of seconds count in steps of a quarter of one.
const SLOTS: usize = 64;
/// Length of a slot, microseconds.
const SLOT_US: u64 = 62_500;

/// What is to be closed, by slot.
#[derive(Debug)]
pub(crate) struct Parting<T> {
    slots: Vec<Vec<T>>,
    /// The slot that is closed next, and when.
    next: usize,
    next_us: u64,
    len: usize,
}

impl<T> Parting<T> {
    pub(crate) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| Vec::new()).collect(), next: 0, next_us: 0, len: 0 }
    }

    /// Keeps `socket` for up to four seconds. `key` spreads those that come together.
    pub(crate) fn keep(&mut self, key: u32, socket: T, now_us: u64) {
        if self.len == 0 {
            self.next_us = now_us + SLOT_US;
        }
        self.len += 1;
        self.slots[(self.next + key as usize) % SLOTS].push(socket);
    }

    /// Drops those whose time has come.
    pub(crate) fn let_go(&mut self, now_us: u64) {
        while self.len > 0 && self.next_us <= now_us {
            self.len -= self.slots[self.next].len();
            self.slots[self.next] = Vec::new();
            self.next = (self.next + 1) % SLOTS;
            self.next_us += SLOT_US;
        }
    }

    /// When some are to go next; None while there are none.
    pub(crate) fn next_us(&self) -> Option<u64> {
        (self.len > 0).then_some(self.next_us)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_come_together_go_one_slot_after_another() {
        let mut parting = Parting::new();
        assert_eq!(parting.next_us(), None);
        for key in 0..640 {
            parting.keep(key, (), 1_000);
        }
        let mut left = Vec::new();
        while let Some(at_us) = parting.next_us() {
            parting.let_go(at_us - 1);
            let before = parting.len();
            parting.let_go(at_us);
            left.push(before - parting.len());
        }
        assert_eq!(left, [10; SLOTS]);
    }

    #[test]
    fn a_late_turn_lets_all_go_that_are_due() {
        let mut parting = Parting::new();
        (0..100).for_each(|key| parting.keep(key, (), 0));
        parting.let_go(60_000_000);
        assert_eq!((parting.len(), parting.next_us()), (0, None));
    }
}
