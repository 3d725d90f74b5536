//! Random choices from the run's seed: the same seed gives the same choices.

/// SplitMix64's output function: near seeds give unlike numbers.
pub(crate) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A sequence of numbers from one seed.
#[derive(Debug, Clone)]
pub(super) struct Dice {
    seed: u64,
    thrown: u64,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed: mix(seed), thrown: 0 }
    }

    /// Below `bound`; 0 where `bound` is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.thrown += 1;
        let number = mix(self.seed ^ self.thrown.rotate_left(32));
        ((u128::from(number) * u128::from(bound)) >> 64) as u64
    }

    /// `count` of `all`, in their order.
    pub(super) fn some(&mut self, all: &[u16], count: usize) -> Vec<u16> {
        let mut left = all.to_vec();
        let mut chosen: Vec<u16> = Vec::new();
        while chosen.len() < count && !left.is_empty() {
            let at = self.below(left.len() as u64) as usize;
            chosen.push(left.swap_remove(at));
        }
        chosen.sort_unstable();
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_in_bounds_and_come_again() {
        let throw = |seed| {
            let mut dice = Dice::new(seed);
            (0..200).map(|_| dice.below(6)).collect::<Vec<_>>()
        };
        assert_eq!(throw(1), throw(1));
        assert_ne!(throw(1), throw(2));
        assert!((0..6).all(|side| throw(1).contains(&side)) && throw(1).iter().all(|side| *side < 6));
        let mut dice = Dice::new(3);
        assert_eq!(dice.below(0), 0);
        let some = dice.some(&[1, 2, 3, 4], 3);
        assert!(some.len() == 3 && some.is_sorted() && dice.some(&[1], 5) == [1], "{some:?}");
    }
}
