//! Counts and rates as people write them: `100000`, `100k`, `1.5m`.

/// Parses a whole number with an optional `k` (thousand) or `m` (million).
pub(crate) fn parse_count(text: &str) -> Result<u64, String> {
    let number = parse_rate(text)?;
    if number.fract() != 0.0 {
        return Err(format!("{text:?} is not a whole number"));
    }
    Ok(number as u64)
}

/// Parses how many there are of something that nothing goes without.
pub(crate) fn parse_some(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(0) => Err("nothing would ever be done: use 1 or more".into()),
        Ok(count) => Ok(count),
        Err(_) => Err(format!("{text:?} is not a whole number")),
    }
}

/// Parses a number a second, with the same suffixes; a fraction is allowed.
pub(crate) fn parse_rate(text: &str) -> Result<f64, String> {
    let cleaned = text.trim().replace('_', "").to_ascii_lowercase();
    let (digits, factor) = match cleaned.strip_suffix('k') {
        Some(digits) => (digits, 1_000.0),
        None => match cleaned.strip_suffix('m') {
            Some(digits) => (digits, 1_000_000.0),
            None => (cleaned.as_str(), 1.0),
        },
    };
    let is_decimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = digits
        .parse()
        .ok()
        .filter(|_| is_decimal)
        .ok_or_else(|| format!("{text:?} is not a number: write 5000, 100k or 1m"))?;
    // Rounding mends what the decimal fraction lost: 1.1k is 1100, not 1100.0000000000002.
    let value = (number * factor * 1e6).round() / 1e6;
    if value > 1e12 {
        return Err(format!("{text:?} is too large"));
    }
    Ok(value)
}

/// Parses bytes: a number with an optional `K`, `M` or `G`, which are thousands.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let cleaned = text.trim().to_ascii_lowercase();
    let (number, factor) = cleaned.strip_suffix('g').map_or((cleaned.as_str(), 1.0), |number| (number, 1e9));
    let number = parse_rate(number).map_err(|_| format!("{text:?} is not a number of bytes: write 500M or 32G"))?;
    Ok((number * factor) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_multiply() {
        assert_eq!(parse_count("100000"), Ok(100_000));
        assert_eq!(parse_count("100k"), Ok(100_000));
        assert_eq!(parse_count("1M"), Ok(1_000_000));
        assert_eq!(parse_count("1.1k"), Ok(1_100));
        assert_eq!(parse_count("100_000"), Ok(100_000));
        assert_eq!(parse_rate("0.5"), Ok(0.5));
    }

    #[test]
    fn bytes_have_a_larger_suffix_too() {
        assert_eq!(parse_bytes("32G"), Ok(32_000_000_000));
        assert_eq!(parse_bytes("1.5g"), Ok(1_500_000_000));
        assert_eq!(parse_bytes("500M"), Ok(500_000_000));
        assert!(parse_bytes("2 GiB").expect_err("no suffix of ours").contains("500M or 32G"));
    }

    #[test]
    fn none_is_too_few_of_what_is_needed() {
        assert_eq!(parse_some("50"), Ok(50));
        assert!(parse_some("0").is_err_and(|why| why.contains("1 or more")));
        assert!(parse_some("-1").is_err() && parse_some("").is_err());
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "k", "-5", "1e9", "ten", "0.5.5", "100kk", "nan", "inf"] {
            assert!(parse_rate(text).is_err(), "{text:?}");
        }
        assert!(parse_count("1.5").is_err());
    }
}
