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
    pub(crate) fn at(&self, k: u64) -> Option<u32> {
        let n = self.0.len() as u64;
        (n > 0).then(|| self.0[(k % n) as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_covers_every_connection_once() {
        for n in [1, 2, 7, 1_000] {
            let order = Permutation::of((0..n).collect(), Random::new(42, 0));
            for round in 0..3 {
                let mut seen: Vec<u32> = (0..u64::from(n)).filter_map(|k| order.at(round * u64::from(n) + k)).collect();
                seen.sort_unstable();
                assert_eq!(seen, (0..n).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn without_connections_nobody_is_loaded() {
        assert_eq!(Permutation::of(Vec::new(), Random::new(42, 0)).at(3), None);
    }

    #[test]
    fn the_seed_decides_the_order() {
        let order = |seed| Permutation::of((0..100).collect(), Random::new(seed, 0)).0;
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
    }
}
