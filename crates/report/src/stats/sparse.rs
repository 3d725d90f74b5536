/// A histogram of durations that holds only what occurred: microseconds and counts, ordered.
/// One second of load takes some hundred of these, where an HDR histogram takes 170 KB.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Sparse {
    entries: Vec<(u32, u32)>,
}

/// Steps an octave in the coarse form: values of 128 us and more are kept to 0.8 %, rounded up.
const STEPS: u64 = 128;

impl Sparse {
    pub(crate) fn from_buckets(buckets: impl Iterator<Item = (u64, u64)>) -> Self {
        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Self { entries: buckets.map(|(us, count)| (narrow(us), narrow(count))).collect() }
    }

    pub(crate) fn merge(&mut self, other: &Sparse) {
        if other.entries.is_empty() {
            return;
        }
        let mut merged = Vec::with_capacity(self.entries.len() + other.entries.len());
        let (mut mine, mut theirs) =
            (self.entries.iter().copied().peekable(), other.entries.iter().copied().peekable());
        while let (Some(left), Some(right)) = (mine.peek().copied(), theirs.peek().copied()) {
            match left.0.cmp(&right.0) {
                std::cmp::Ordering::Less => merged.extend(mine.next()),
                std::cmp::Ordering::Greater => merged.extend(theirs.next()),
                std::cmp::Ordering::Equal => {
                    merged.push((left.0, left.1.saturating_add(right.1)));
                    mine.next();
                    theirs.next();
                }
            }
        }
        merged.extend(mine);
        merged.extend(theirs);
        self.entries = merged;
    }

    /// The same durations, each rounded up to the coarse steps.
    pub(crate) fn coarsened(&self) -> Sparse {
        let mut entries: Vec<(u32, u32)> = Vec::with_capacity(self.entries.len().min(512));
        for &(us, count) in &self.entries {
            let coarse = round_up(us);
            match entries.last_mut() {
                Some(last) if last.0 == coarse => last.1 = last.1.saturating_add(count),
                _ => entries.push((coarse, count)),
            }
        }
        entries.shrink_to_fit();
        Sparse { entries }
    }

    pub(crate) fn entries(&self) -> &[(u32, u32)] {
        &self.entries
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn count(&self) -> u64 {
        self.entries.iter().map(|entry| u64::from(entry.1)).sum()
    }

    /// The duration in microseconds that `quantile` (0 to 1) of the values do not exceed.
    pub(crate) fn quantile_us(&self, quantile: f64) -> Option<u64> {
        let rank = ((self.count() as f64 * quantile).ceil() as u64).max(1);
        let mut seen = 0;
        for &(us, count) in &self.entries {
            seen += u64::from(count);
            if seen >= rank {
                return Some(u64::from(us));
            }
        }
        None
    }
}

/// The upper edge of the coarse step that `us` lies in.
fn round_up(us: u32) -> u32 {
    let us = u64::from(us);
    if us < STEPS {
        return us as u32;
    }
    let shift = us.ilog2() - STEPS.ilog2();
    u32::try_from((((us >> shift) + 1) << shift) - 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u32]) -> Sparse {
        let mut all = Sparse::default();
        for &us in values {
            all.merge(&Sparse { entries: vec![(us, 1)] });
        }
        all
    }

    proptest! {
        #[test]
        fn merging_is_counting(left in proptest::collection::vec(1_u32..600_000_000, 0..60),
                               right in proptest::collection::vec(1_u32..600_000_000, 0..60)) {
            let mut merged = of(&left);
            merged.merge(&of(&right));
            let mut both = left.clone();
            both.extend(&right);
            prop_assert_eq!(&merged, &of(&both));
            prop_assert_eq!(merged.count(), both.len() as u64);
            both.sort_unstable();
            prop_assert_eq!(merged.entries().last().map(|entry| entry.0), both.last().copied());
            if !both.is_empty() {
                let rank = ((both.len() as f64 * 0.95).ceil() as usize).max(1);
                prop_assert_eq!(merged.quantile_us(0.95), Some(u64::from(both[rank - 1])));
            }
        }

        #[test]
        fn coarse_steps_only_round_up(us in 1_u32..600_000_000) {
            let coarse = round_up(us);
            prop_assert!(coarse >= us);
            prop_assert!(u64::from(coarse - us) * STEPS <= u64::from(us));
            prop_assert_eq!(round_up(coarse), coarse);
        }
    }

    #[test]
    fn nothing_has_no_quantile() {
        assert_eq!(Sparse::default().quantile_us(0.5), None);
    }
}
