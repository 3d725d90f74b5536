use std::fmt;
use std::str::FromStr;

/// A percentile between the least and the greatest value: P99.9. Kept as a whole number, so that ranks are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percentile {
    /// Ten-thousandths of a percent, from 1 to 999,999.
    parts: u32,
}

const WHOLE: u32 = 1_000_000;
const DECIMALS: usize = 4;

/// So many samples must lie beyond a percentile.
const BEYOND_MIN: u64 = 10;

impl Percentile {
    pub(crate) const P50: Self = Self { parts: 500_000 };
    pub(crate) const P75: Self = Self { parts: 750_000 };
    pub(crate) const P90: Self = Self { parts: 900_000 };
    pub(crate) const P95: Self = Self { parts: 950_000 };
    pub(crate) const P99: Self = Self { parts: 990_000 };
    pub(crate) const P99_9: Self = Self { parts: 999_000 };
    pub(crate) const P99_99: Self = Self { parts: 999_900 };

    /// The nearest one to a number of percent.
    pub(crate) fn of_percent(percent: f64) -> Self {
        Self { parts: ((percent * f64::from(WHOLE / 100)).round() as u32).clamp(1, WHOLE - 1) }
    }

    /// From 0 to 1.
    pub(crate) fn quantile(self) -> f64 {
        f64::from(self.parts) / f64::from(WHOLE)
    }

    /// Which of so many values it is, counted from 1 at the least.
    pub(crate) fn rank(self, count: u64) -> u64 {
        (u128::from(count) * u128::from(self.parts)).div_ceil(u128::from(WHOLE)) as u64
    }

    /// True where so many samples are too few beyond it.
    pub(crate) fn is_short_of(self, count: u64) -> bool {
        count - self.rank(count) < BEYOND_MIN
    }

    /// The fewest samples that have enough beyond it.
    pub(crate) fn needed(self) -> u64 {
        (BEYOND_MIN * u64::from(WHOLE)).div_ceil(u64::from(WHOLE - self.parts))
    }
}

impl fmt::Display for Percentile {
    /// "99.9".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (percent, rest) = (self.parts / 10_000, self.parts % 10_000);
        match rest {
            0 => write!(f, "{percent}"),
            rest => write!(f, "{percent}.{}", format!("{rest:04}").trim_end_matches('0')),
        }
    }
}

impl FromStr for Percentile {
    type Err = ();

    /// "99.9": above 0 and below 100, of four decimals at most.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (percent, rest) = text.split_once('.').unwrap_or((text, ""));
        let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if text.is_empty() || text == "." || !is_number(percent) || !is_number(rest) || rest.len() > DECIMALS {
            return Err(());
        }
        let parts: u32 = format!("{percent}{rest:0<DECIMALS$}").parse().map_err(|_| ())?;
        if (1..WHOLE).contains(&parts) { Ok(Self { parts }) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ten_samples_lie_beyond_where_there_are_just_enough() {
        for parts in 1..WHOLE {
            let percentile = Percentile { parts };
            let needed = percentile.needed();
            assert!(!percentile.is_short_of(needed), "P{percentile} of {needed}");
            assert!(percentile.is_short_of(needed - 1), "P{percentile} of {}", needed - 1);
        }
        assert_eq!(Percentile::P99_9.needed(), 10_000);
        assert_eq!(Percentile::of_percent(97.0).needed(), 334);
    }

    #[test]
    fn what_is_no_percentile_is_refused() {
        for text in ["", ".", "0", "0.00001", "100", "99.99999", "-5", "1e1", "9 9", "nan"] {
            assert_eq!(text.parse::<Percentile>(), Err(()), "{text:?}");
        }
        assert_eq!("99.90".parse(), Ok(Percentile::P99_9));
        assert_eq!("99.".parse(), Ok(Percentile::P99));
        assert_eq!(".5".parse::<Percentile>().map(|found| found.to_string()), Ok("0.5".into()));
    }

    proptest! {
        #[test]
        fn a_percentile_is_read_as_it_is_said(parts in 1..WHOLE) {
            let percentile = Percentile { parts };
            prop_assert_eq!(percentile.to_string().parse(), Ok(percentile));
            prop_assert_eq!(Percentile::of_percent(percentile.to_string().parse().expect("a number")), percentile);
        }
    }
}
