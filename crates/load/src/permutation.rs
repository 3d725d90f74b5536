//! In which order the connections are loaded.

use crate::random::Random;

/// A seeded order of all connections: arrival `k` belongs to the connection at `k mod n`, so that in every round
/// each connection speaks once.
#[derive(Debug, Clone)]
pub(crate) struct Permutation(Vec<u32>);

impl Permutation {
    /// Of these connections, each of which is named once.
    pub(crate) fn of(mut order: Vec<u32>, mut random: Random) -> Self {
        for last in (1..order.len()).rev() {
            order.swap(last, random.below(last as u64 + 1) as usize);
        }
        Self(order)
    }

    /// The connection of arrival `k`; None where there is no connection.
    pub(crate) fn at(&self, k: u64, part: Part) -> Option<u32> {
        let quarter = self.0.len() / 4;
        let part = match part {
            Part::Quarter if quarter > 0 => &self.0[..quarter],
            Part::Rest if quarter > 0 => &self.0[quarter..],
            _ => &self.0[..],
        };
        let n = part.len() as u64;
        (n > 0).then(|| part[(k % n) as usize])
    }
}

/// Which of the connections speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    All,
    /// The usual load, as long as there is queued work beside it.
    Quarter,
    /// Queued work: a call may wait for long, and whatever is bound to its connection would wait behind it.
    Rest,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_round_covers_every_connection_once() {
        for n in [1, 2, 7, 1_000] {
            let order = Permutation::of((0..n).collect(), Random::new(42, 0));
            for round in 0..3 {
                let mut seen: Vec<u32> =
                    (0..u64::from(n)).filter_map(|k| order.at(round * u64::from(n) + k, Part::All)).collect();
                seen.sort_unstable();
                assert_eq!(seen, (0..n).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn without_connections_nobody_is_loaded() {
        assert_eq!(Permutation::of(Vec::new(), Random::new(42, 0)).at(3, Part::All), None);
    }

    #[test]
    fn the_parts_have_nothing_in_common_and_leave_nobody_out() {
        let order = Permutation::of((0..103).collect(), Random::new(42, 0));
        let of = |part| (0..1_000).filter_map(|k| order.at(k, part)).collect::<BTreeSet<u32>>();
        let (quarter, rest) = (of(Part::Quarter), of(Part::Rest));
        assert_eq!((quarter.len(), rest.len()), (25, 78));
        assert!(quarter.is_disjoint(&rest));
        let few = Permutation::of(vec![7, 8], Random::new(42, 0));
        assert!(few.at(0, Part::Quarter).is_some() && few.at(0, Part::Rest).is_some());
    }

    #[test]
    fn the_seed_decides_the_order() {
        let order = |seed| Permutation::of((0..100).collect(), Random::new(seed, 0)).0;
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
    }
}
