//! Calls that wait, a lane for each principal: the lanes take turns, so that nobody waits for all that another one has asked.

use std::collections::{HashMap, VecDeque};

/// What waits. Who is not known by name is one principal with all others who are not.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    lanes: HashMap<Box<str>, VecDeque<T>>,
    /// Whose turn it is, and who comes after: all that have something in their lane.
    turns: VecDeque<Box<str>>,
    count: usize,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self { lanes: HashMap::new(), turns: VecDeque::new(), count: 0 }
    }
}

impl<T> Lanes<T> {
    pub(super) fn push(&mut self, principal: &str, waiting: T) {
        self.count += 1;
        if let Some(lane) = self.lanes.get_mut(principal) {
            lane.push_back(waiting);
            return;
        }
        self.lanes.insert(principal.into(), VecDeque::from([waiting]));
        self.turns.push_back(principal.into());
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let principal = self.turns.pop_front()?;
        let lane = self.lanes.get_mut(&principal)?;
        let first = lane.pop_front()?;
        self.count -= 1;
        if lane.is_empty() {
            self.lanes.remove(&principal);
        } else {
            self.turns.push_back(principal);
        }
        if self.count == 0 && self.turns.capacity() > 64 {
            *self = Self::default();
        }
        Some(first)
    }

    /// Takes out what came last of all that `may_go`: of this principal, or where there is none of whoever waits for most.
    pub(super) fn take_last(&mut self, principal: Option<&str>, may_go: impl Fn(&T) -> bool) -> Option<T> {
        let longest = || {
            let of = |lane: &VecDeque<T>| lane.iter().filter(|waiting| may_go(waiting)).count();
            let counted = self.lanes.iter().map(|(name, lane)| (of(lane), name));
            counted.max().filter(|(count, _)| *count > 0).map(|(_, name)| name.clone())
        };
        let name = principal.map_or_else(longest, |name| Some(name.into()))?;
        let lane = self.lanes.get_mut(&name)?;
        let taken = lane.iter().rposition(may_go).and_then(|at| lane.remove(at))?;
        self.count -= 1;
        if lane.is_empty() {
            self.lanes.remove(&name);
            self.turns.retain(|turn| *turn != name);
        }
        Some(taken)
    }

    /// The same of another principal that has more than half of `limit` places, of the one that has most.
    pub(super) fn take_surplus(&mut self, principal: &str, limit: u64, may_go: impl Fn(&T) -> bool) -> Option<T> {
        let others = self.lanes.iter().filter(|(name, _)| ***name != *principal);
        let (most, name) = others.map(|(name, lane)| (lane.len() as u64, name)).max()?;
        let name = (most > limit.div_ceil(2)).then(|| name.clone())?;
        self.take_last(Some(&name), may_go)
    }

    /// True where a principal may not have one more of `limit` places. One that is known by name may have all where nobody else
    /// waits and it gives them up again (`gives_way`), see [`Lanes::take_surplus`]; else half of them, and when half of all
    /// are taken, no more than an equal share among those who wait.
    pub(super) fn has_its_share(&self, principal: &str, limit: u64, gives_way: bool) -> bool {
        let own = self.lanes.get(principal).map_or(0, VecDeque::len) as u64;
        if principal.is_empty() || (gives_way && own == self.count as u64) {
            return false;
        }
        let principals = self.lanes.len() as u64 + u64::from(own == 0);
        let half = limit.div_ceil(2);
        own >= half.max(1) || (self.count as u64 >= half && own >= (limit / principals).max(1))
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Places that are held, for the count of memory.
    pub(super) fn capacity(&self) -> usize {
        self.lanes.values().map(VecDeque::capacity).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_take_turns_and_each_keeps_its_order() {
        let mut lanes = Lanes::default();
        for (principal, number) in [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("", 5), ("b", 6)] {
            lanes.push(principal, number);
        }
        let order: Vec<i32> = std::iter::from_fn(|| lanes.pop()).collect();
        assert_eq!(order, [1, 4, 5, 2, 6, 3]);
        assert_eq!((lanes.count, lanes.lanes.len(), lanes.turns.len()), (0, 0, 0));
    }

    #[test]
    fn what_came_last_goes_of_whoever_has_most() {
        let mut lanes = Lanes::default();
        for (principal, number) in [("a", 1), ("b", 2), ("a", 3), ("b", 4), ("b", 5), ("c", 6)] {
            lanes.push(principal, number);
        }
        assert_eq!(lanes.take_last(None, |number| *number != 5), Some(4), "of two that may go as often, by name");
        assert_eq!(lanes.take_last(Some("c"), |number| *number == 1), None);
        assert_eq!(lanes.take_last(Some("c"), |_| true), Some(6));
        assert_eq!(lanes.take_last(Some("b"), |_| true), Some(5));
        assert_eq!(lanes.take_last(None, |number| *number > 5), None);
        let order: Vec<i32> = std::iter::from_fn(|| lanes.pop()).collect();
        assert_eq!((order, lanes.count, lanes.turns.len()), (vec![1, 2, 3], 0, 0));
    }

    #[test]
    fn one_principal_leaves_room_for_others() {
        let mut lanes = Lanes::default();
        let mut admit = |principal: &str| {
            let is_admitted = !lanes.has_its_share(principal, 8, false);
            if is_admitted {
                lanes.push(principal, ());
            }
            is_admitted
        };
        assert_eq!((0..8).filter(|_| admit("a")).count(), 4, "half of them");
        assert_eq!((0..8).filter(|_| admit("b")).count(), 4, "and half of them");
        assert!(admit("c") && admit("d"), "the whole is bounded elsewhere");
        assert!(!admit("a") && !admit("b"));
        while lanes.pop().is_some() {}
        assert!((0..100).all(|_| !lanes.has_its_share("", 8, false)), "who is not known by name has no share");
        assert!(!lanes.has_its_share("a", 0, false), "a queue without places is full for everybody alike");
    }

    #[test]
    fn what_gives_way_may_have_all_while_nobody_else_waits() {
        let mut lanes = Lanes::default();
        for number in 0..6 {
            assert!(!lanes.has_its_share("a", 8, true));
            lanes.push("a", number);
        }
        assert!(lanes.has_its_share("a", 8, false), "what stays may not");
        assert_eq!(lanes.take_surplus("a", 8, |_| true), None, "nobody gives way to itself");
        for (number, taken) in [(6, Some(4)), (7, Some(3)), (8, None)] {
            assert_eq!(lanes.take_surplus("b", 8, |number| *number != 5), taken);
            lanes.push("b", number);
        }
        assert!(lanes.has_its_share("a", 8, true), "half of them");
    }
}
