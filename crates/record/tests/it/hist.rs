//! Histograms merge exactly and come back as they were written.

use erlmcp_record::Hist;
use proptest::prelude::*;

fn of(values: &[u64]) -> Hist {
    let mut hist = Hist::new();
    values.iter().for_each(|us| hist.record_us(*us));
    hist
}

fn values() -> impl Strategy<Value = Vec<u64>> {
    proptest::collection::vec(prop_oneof![0_u64..2_000, 0_u64..10_000_000, 0_u64..1_000_000_000], 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn merging_is_recording(left in values(), right in values()) {
        let mut merged = of(&left);
        merged.merge(&of(&right));
        let mut all = left.clone();
        all.extend(&right);
        let whole = of(&all);
        prop_assert_eq!(&merged, &whole);
        prop_assert_eq!(merged.count(), all.len() as u64);
        for quantile in [0.0, 0.5, 0.95, 0.99, 1.0] {
            prop_assert_eq!(merged.quantile_us(quantile), whole.quantile_us(quantile));
        }
    }

    #[test]
    fn what_is_written_is_read(values in values()) {
        let hist = of(&values);
        let text = serde_json::to_string(&hist).expect("a histogram is a string");
        prop_assert_eq!(serde_json::from_str::<Hist>(&text).expect("it can be read"), hist);
    }

    #[test]
    fn a_quantile_is_the_value_at_its_rank_to_three_digits(values in values()) {
        prop_assume!(!values.is_empty());
        let values: Vec<u64> = values.iter().map(|us| (*us).clamp(1, 600_000_000)).collect();
        let mut sorted = values.clone();
        sorted.sort_unstable();
        let exact = sorted[((sorted.len() as f64 * 0.95).ceil() as usize).max(1) - 1];
        let found = of(&values).quantile_us(0.95).expect("there are values");
        prop_assert!(found >= exact && found - exact <= exact / 1_000, "{} for {}", found, exact);
    }
}

#[test]
fn nothing_recorded_has_no_figures() {
    let hist = Hist::new();
    assert_eq!((hist.quantile_us(0.5), hist.min_us(), hist.max_us(), hist.mean_us()), (None, None, None, None));
}

#[test]
fn durations_past_the_bounds_count_at_them() {
    let hist = of(&[0, u64::MAX]);
    assert_eq!(hist.count(), 2);
    assert_eq!(hist.min_us(), Some(1));
    assert!(hist.max_us().is_some_and(|us| (600_000_000..601_000_000).contains(&us)), "{:?}", hist.max_us());
}

#[test]
fn a_damaged_histogram_is_an_error() {
    for text in ["\"\"", "\"not base64!\"", "\"AAAA\"", "7"] {
        assert!(serde_json::from_str::<Hist>(text).is_err(), "{text}");
    }
}
