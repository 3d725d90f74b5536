use std::cmp::Ordering;

/// A figure as it was counted: whole numbers are compared as whole numbers, never as rounded ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Estimate {
    /// `part` over `whole`, in the threshold's unit.
    Ratio {
        part: u128,
        whole: u128,
    },
    Number(f64),
}

impl Estimate {
    /// A share in percent; None of nothing.
    pub(crate) fn percent(part: u64, whole: u64) -> Option<Self> {
        (whole > 0).then(|| Self::Ratio { part: u128::from(part) * 100, whole: u128::from(whole) })
    }

    /// Microseconds as milliseconds.
    pub(crate) fn ms(us: u64) -> Self {
        Self::Ratio { part: u128::from(us), whole: 1_000 }
    }

    pub(crate) fn count(count: u64) -> Self {
        Self::Ratio { part: u128::from(count), whole: 1 }
    }

    /// So many in so many seconds; None in no time.
    pub(crate) fn rate(count: u64, seconds: u64) -> Option<Self> {
        (seconds > 0).then(|| Self::Ratio { part: u128::from(count), whole: u128::from(seconds) })
    }

    pub(crate) fn value(self) -> f64 {
        match self {
            Self::Ratio { part, whole } => part as f64 / whole as f64,
            Self::Number(value) => value,
        }
    }

    /// How the figure stands to a limit. The limit is taken as the decimal number that it is written as: 0.05 is
    /// five hundredths, not the nearest binary fraction.
    pub(crate) fn standing(self, limit: f64) -> Ordering {
        if let Self::Ratio { part, whole } = self
            && let Some((digits, scale)) = decimal(limit)
            && let Some(left) = part.checked_mul(scale)
            && let Some(right) = digits.checked_mul(whole)
        {
            return left.cmp(&right);
        }
        self.value().total_cmp(&limit)
    }
}

/// A number that is not negative as digits over a power of ten; None where it has too many of them.
fn decimal(value: f64) -> Option<(u128, u128)> {
    let text = format!("{value}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let digits = format!("{whole}{rest}").parse().ok()?;
    Some((digits, 10_u128.checked_pow(u32::try_from(rest.len()).ok()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_at_the_limit_is_at_the_limit() {
        // 0.05 % of 1,000,000 is 500: as floats 500 * 100 / 1,000,000 happens to be 0.05, others are not.
        let standing = |part, whole| Estimate::percent(part, whole).expect("there is a whole").standing(0.05);
        assert_eq!(standing(500, 1_000_000), Ordering::Equal);
        assert_eq!(standing(499, 1_000_000), Ordering::Less);
        assert_eq!(standing(501, 1_000_000), Ordering::Greater);
        assert_eq!(standing(3, 6_000), Ordering::Equal);
        assert_eq!(standing(u64::MAX / 2_000, u64::MAX), Ordering::Less);
    }

    #[test]
    fn availability_is_not_rounded_up() {
        let standing = |part, whole| Estimate::percent(part, whole).expect("there is a whole").standing(99.95);
        assert_eq!(standing(1_999, 2_000), Ordering::Equal);
        assert_eq!(standing(19_991, 20_000), Ordering::Greater);
        assert_eq!(standing(19_989, 20_000), Ordering::Less);
    }

    #[test]
    fn times_and_counts() {
        assert_eq!(Estimate::ms(100_000).standing(100.0), Ordering::Equal);
        assert_eq!(Estimate::ms(99_999).standing(100.0), Ordering::Less);
        assert_eq!(Estimate::count(0).standing(0.0), Ordering::Equal);
        assert_eq!(Estimate::rate(600_000, 60).map(|rate| rate.standing(10_000.0)), Some(Ordering::Equal));
        assert_eq!(Estimate::rate(27_000, 60).map(|rate| rate.standing(10_000.0)), Some(Ordering::Less));
        assert_eq!(Estimate::percent(1, 0), None);
        assert_eq!(Estimate::Number(-3.5).standing(5.0), Ordering::Less);
        assert_eq!(Estimate::count(7).standing(-1.0), Ordering::Greater);
        assert_eq!(Estimate::count(7).standing(1e300), Ordering::Less);
    }
}
