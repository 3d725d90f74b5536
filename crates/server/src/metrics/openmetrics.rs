//! The page in OpenMetrics 1.0, for who asks for it.

/// Makes OpenMetrics of the Prometheus text: there a counter's family is named without the `_total` of its samples, and a
/// page says where it ends, so that one that was cut off is not taken for whole.
pub(crate) fn openmetrics(page: &str) -> String {
    let mut text = String::with_capacity(page.len() + 8);
    for line in page.lines() {
        let family = line.strip_prefix("# ").and_then(|rest| rest.split(' ').nth(1)).unwrap_or("");
        match line.split_once("_total ").filter(|_| family.ends_with("_total")) {
            Some((before, after)) => text.extend([before, " ", after, "\n"]),
            None => text.extend([line, "\n"]),
        }
    }
    text.push_str("# EOF\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counters_family_loses_its_ending_and_the_page_has_an_end() {
        let page = "# HELP a_total Of b_total all.\n# TYPE a_total counter\na_total{x=\"1\"} 5\n# HELP c_total_size A size.\n\
                    # TYPE c_total_size gauge\nc_total_size 2\n";
        let expected = "# HELP a Of b_total all.\n# TYPE a counter\na_total{x=\"1\"} 5\n# HELP c_total_size A size.\n\
                        # TYPE c_total_size gauge\nc_total_size 2\n# EOF\n";
        assert_eq!(openmetrics(page), expected);
    }
}
