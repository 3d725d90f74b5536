//! Coarse deadlines for many connections, without an allocation for any of them.

/// Length of a tick, ns. Deadlines are kept to about this.
pub(crate) const TICK_NS: u64 = 100_000_000;
/// Slots of the wheel: deadlines further away than this many ticks are looked at early and put back.
const SLOTS: usize = 1_024;
/// "No neighbour", "in no slot".
const NONE: u32 = u32::MAX;

/// A connection's place in the wheel: the wheel is a set of lists that run through the connections themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    previous: u32,
    next: u32,
    slot: u32,
}

impl Default for Link {
    fn default() -> Self {
        Self { previous: NONE, next: NONE, slot: NONE }
    }
}

/// Whoever holds the links.
pub(crate) trait Links {
    /// The link of an entry that is in the wheel or about to be.
    fn link(&mut self, key: u32) -> &mut Link;
}

/// The lists' heads and the time.
///
/// An entry that fires is only *looked at*: its owner knows the real deadline, and puts it back when that has moved.
/// A deadline that moves away with every request so costs nothing a request.
#[derive(Debug)]
pub(crate) struct Wheel {
    heads: Box<[u32]>,
    /// The last tick that was handed out.
    now: u64,
}

impl Wheel {
    pub(crate) fn new(now_ns: u64) -> Self {
        Self { heads: vec![NONE; SLOTS].into_boxed_slice(), now: now_ns / TICK_NS }
    }

    /// Puts an entry where it is looked at no later than at `deadline_ns` and a tick; moves it if it is there already.
    pub(crate) fn put(&mut self, links: &mut impl Links, key: u32, deadline_ns: u64) {
        self.take(links, key);
        let wanted = deadline_ns.div_ceil(TICK_NS);
        let tick = wanted.clamp(self.now + 1, self.now + SLOTS as u64 - 1);
        let slot = (tick % SLOTS as u64) as usize;
        let head = self.heads[slot];
        *links.link(key) = Link { previous: NONE, next: head, slot: slot as u32 };
        if head != NONE {
            links.link(head).previous = key;
        }
        self.heads[slot] = key;
    }

    /// Takes an entry out; nothing happens if it is not in.
    pub(crate) fn take(&mut self, links: &mut impl Links, key: u32) {
        let link = std::mem::take(links.link(key));
        if link.slot == NONE {
            return;
        }
        if link.previous == NONE {
            self.heads[link.slot as usize] = link.next;
        } else {
            links.link(link.previous).next = link.next;
        }
        if link.next != NONE {
            links.link(link.next).previous = link.previous;
        }
    }

    /// Goes on by one tick if `now_ns` has reached it, and takes out into `fired` all that were to be looked at.
    /// False when there is no tick to go on by.
    pub(crate) fn turn(&mut self, links: &mut impl Links, now_ns: u64, fired: &mut Vec<u32>) -> bool {
        if self.now >= now_ns / TICK_NS {
            return false;
        }
        self.now += 1;
        let slot = (self.now % SLOTS as u64) as usize;
        let mut key = std::mem::replace(&mut self.heads[slot], NONE);
        while key != NONE {
            fired.push(key);
            key = std::mem::take(links.link(key)).next;
        }
        true
    }

    /// When the next tick is due, ns.
    pub(crate) fn next_tick_ns(&self) -> u64 {
        (self.now + 1) * TICK_NS
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Links for Vec<Link> {
        fn link(&mut self, key: u32) -> &mut Link {
            &mut self[key as usize]
        }
    }

    fn run(wheel: &mut Wheel, links: &mut Vec<Link>, until_ns: u64) -> Vec<u32> {
        let mut fired = Vec::new();
        while wheel.turn(links, until_ns, &mut fired) {}
        fired
    }

    #[test]
    fn entries_fire_at_their_tick() {
        let mut links = vec![Link::default(); 4];
        let mut wheel = Wheel::new(0);
        wheel.put(&mut links, 0, 5 * TICK_NS);
        wheel.put(&mut links, 1, 5 * TICK_NS - 1);
        wheel.put(&mut links, 2, 9 * TICK_NS);
        wheel.put(&mut links, 3, 0);
        assert_eq!(run(&mut wheel, &mut links, 4 * TICK_NS), [3]);
        wheel.put(&mut links, 2, 20 * TICK_NS);
        assert_eq!(run(&mut wheel, &mut links, 5 * TICK_NS), [1, 0]);
        assert_eq!(run(&mut wheel, &mut links, 19 * TICK_NS), Vec::<u32>::new());
        wheel.take(&mut links, 2);
        assert_eq!(run(&mut wheel, &mut links, 90 * TICK_NS), Vec::<u32>::new());
    }

    #[test]
    fn a_far_deadline_is_looked_at_early() {
        let mut links = vec![Link::default(); 1];
        let mut wheel = Wheel::new(0);
        wheel.put(&mut links, 0, 100_000 * TICK_NS);
        assert_eq!(run(&mut wheel, &mut links, (SLOTS as u64 - 2) * TICK_NS), Vec::<u32>::new());
        assert_eq!(run(&mut wheel, &mut links, (SLOTS as u64 - 1) * TICK_NS), [0]);
    }

    proptest! {
        /// Against a plain list of deadlines: all fire, none late by more than a tick, none taken out fires.
        #[test]
        fn it_agrees_with_a_list(steps in prop::collection::vec((0u32..20, 0u64..900, any::<bool>()), 1..200)) {
            let mut links = vec![Link::default(); 20];
            let mut wheel = Wheel::new(0);
            let mut model: Vec<Option<u64>> = vec![None; 20];
            for (step, (key, ticks, put)) in steps.into_iter().enumerate() {
                let now = step as u64;
                let fired = run(&mut wheel, &mut links, now * TICK_NS);
                for (other, deadline) in model.iter_mut().enumerate() {
                    let due = deadline.is_some_and(|deadline| deadline <= now);
                    prop_assert_eq!(fired.contains(&(other as u32)), due);
                    if due {
                        *deadline = None;
                    }
                }
                if put {
                    wheel.put(&mut links, key, (now + ticks) * TICK_NS);
                    model[key as usize] = Some((now + ticks).max(now + 1));
                } else {
                    wheel.take(&mut links, key);
                    model[key as usize] = None;
                }
            }
        }
    }
}
