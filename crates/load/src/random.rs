//! Random numbers from the run's seed: the same seed gives the same run.

/// SplitMix64 (Steele, Lea, Flood 2014): small, fast, good enough to spread load; no secret rests on it.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// `purpose` keeps the streams of one seed apart (an agent, a block).
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        // Mixed first: purposes that are a step apart would else be the same numbers, one later.
        Self(seed ^ Self(purpose).next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Below `bound`, each as likely as the others (to 1 in 2^64); 0 where `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// More than 0, at most 1.
    pub(crate) fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// `us` and up to a quarter more or less, so that those who wait do not all come back together.
    pub(crate) fn jitter(&mut self, us: u64) -> u64 {
        us - us / 4 + self.below(us / 2 + 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let draw = |seed, purpose| {
            let mut random = Random::new(seed, purpose);
            [random.next(), random.next(), random.next()]
        };
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
    }

    #[test]
    fn the_streams_of_a_seed_have_nothing_in_common() {
        let draw = |purpose| {
            let mut random = Random::new(0, purpose);
            (0..100).map(move |_| random.next())
        };
        let all: BTreeSet<u64> = (0..100).flat_map(draw).collect();
        assert_eq!(all.len(), 10_000);
    }

    #[test]
    fn numbers_stay_in_their_bounds() {
        let mut random = Random::new(7, 7);
        for _ in 0..10_000 {
            assert!(random.below(10) < 10);
            let unit = random.unit();
            assert!(unit > 0.0 && unit <= 1.0);
            let jittered = random.jitter(1_000);
            assert!((750..=1_250).contains(&jittered), "{jittered}");
        }
        assert_eq!(random.below(0), 0);
    }
}
