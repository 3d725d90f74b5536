//! How numbers look in every view.

use std::cmp::Ordering;

/// "100,000".
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// "100K", "1M", "1,234": round numbers in headings.
pub(crate) fn short_count(number: u64) -> String {
    match number {
        0 => "0".into(),
        _ if number.is_multiple_of(1_000_000) => format!("{}M", count(number / 1_000_000)),
        _ if number.is_multiple_of(1_000) => format!("{}K", count(number / 1_000)),
        _ => count(number),
    }
}

/// "35.23 ms".
pub(crate) fn ms(value: f64) -> String {
    format!("{} ms", grouped(value, 2))
}

/// Events a second: "12,000.0", and whole from a million on.
pub(crate) fn rate(value: f64) -> String {
    grouped(value, if value.abs() < 1e6 { 1 } else { 0 })
}

/// "11.8 MiB", for columns: always in the same unit.
pub fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / 1_048_576.0)
}

/// "1.80 KiB": steps of 1,024.
pub fn bytes(value: f64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut value = value;
    let mut unit = 0;
    while value.abs() >= 1_024.0 && unit + 1 < units.len() {
        value /= 1_024.0;
        unit += 1;
    }
    let whole = value.round() as i64;
    if unit == 0 {
        format!("{whole} byte{}", if whole == 1 { "" } else { "s" })
    } else {
        format!("{} {}", grouped(value, 2), units[unit])
    }
}

/// "1 replica", "12 replicas".
pub fn plural(number: u64, what: &str) -> String {
    format!("{} {what}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A word as a shell takes it: as it is where nothing in it means something to one, else quoted.
pub(crate) fn shell_word(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:,=+@%".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.into();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// A command line that can be copied into a shell.
pub fn command_line(words: &[String]) -> String {
    words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
}

/// A duration as people say it: "850 ms", "12.4 seconds", "15 minutes".
pub(crate) fn duration_ms(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        _ if ms.is_multiple_of(60_000) => plural(ms / 60_000, "minute"),
        1_000..120_000 => format!("{} seconds", tenths(ms)),
        _ => format!("{} minutes", grouped(ms as f64 / 60_000.0, 1)),
    }
}

/// A long time, roughly: "1 minute", "23 hours", "5 days".
pub(crate) fn long_s(seconds: u64) -> String {
    match seconds / 3_600 {
        0..2 => plural(seconds / 60, "minute"),
        hours @ 2..48 => plural(hours, "hour"),
        hours => plural(hours / 24, "day"),
    }
}

/// Seconds with one decimal: "19.1".
pub(crate) fn tenths(ms: u64) -> String {
    format!("{}.{}", ms / 1_000, ms % 1_000 / 100)
}

/// `part` of `whole` as a percentage, computed in whole numbers: three decimals, and more where three would show a
/// share as 0 or as 100 that is neither. "n/a" where there is no whole.
pub(crate) fn share(part: u64, whole: u64) -> String {
    share_number(part, whole).map_or_else(|| "n/a".into(), |text| text + "%")
}

/// The same without the sign; None where there is no whole.
pub(crate) fn share_number(part: u64, whole: u64) -> Option<String> {
    if whole == 0 {
        return None;
    }
    let mut decimals = 3;
    loop {
        let scale = 10_u128.pow(decimals);
        let hundredfold = u128::from(part) * 100 * scale;
        let whole_128 = u128::from(whole);
        let rounded = (hundredfold + whole_128 / 2) / whole_128;
        let hides = (hundredfold < whole_128 && part > 0) || (rounded == 100 * scale && part != whole);
        if !hides || decimals == 18 {
            let width = decimals as usize;
            return Some(format!("{}.{:0width$}", rounded / scale, rounded % scale));
        }
        decimals += 1;
    }
}

/// A number with so many decimals and thousands apart.
pub(crate) fn grouped(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let sign = if value < 0.0 && text.bytes().any(|digit| digit.is_ascii_digit() && digit != b'0') { "-" } else { "" };
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), count);
    match rest {
        Some(rest) => format!("{sign}{whole}.{rest}"),
        None => format!("{sign}{whole}"),
    }
}

/// A figure that stands beside its limit: as many decimals as it takes to show on which side of it the figure is.
pub(crate) fn beside(value: f64, limit: f64, decimals: usize) -> String {
    let side = |value: f64| value.partial_cmp(&limit).unwrap_or(Ordering::Equal);
    for places in decimals..12 {
        let shown: f64 = format!("{value:.places$}").parse().unwrap_or(value);
        if side(shown) == side(value) && (shown != 0.0 || value == 0.0) {
            return grouped(value, places);
        }
    }
    grouped(value, 12)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(12_345_678), "12,345,678");
        assert_eq!(grouped(-12_345.678, 1), "-12,345.7");
        assert_eq!(grouped(-0.001, 2), "0.00");
    }

    #[test]
    fn a_share_that_is_not_zero_never_prints_as_zero() {
        assert_eq!(share(0, 100), "0.000%");
        assert_eq!(share(5, 10_000), "0.050%");
        assert_eq!(share(1, 10_000_000), "0.00001%");
        assert_eq!(share(10_000_000, 10_000_000), "100.000%");
        assert_eq!(share(9_999_999, 10_000_000), "99.99999%");
        assert_eq!(share(1, u64::MAX), "0.000000000000000005%");
        assert_eq!(share(1, 0), "n/a");
    }

    #[test]
    fn figures_stay_on_their_side_of_the_limit() {
        assert_eq!(beside(99.9996, 100.0, 2), "99.9996");
        assert_eq!(beside(100.0, 100.0, 2), "100.00");
        assert_eq!(beside(85.0, 100.0, 1), "85.0");
        assert_eq!(beside(0.049_999_9, 0.05, 3), "0.0499999");
    }

    #[test]
    fn a_command_line_can_be_copied() {
        let words = ["erlmcp", "stress", "--target", "http://h:1/mcp?a=1&b=2", "it's", "", "--rate=50"];
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let quoted = "erlmcp stress --target 'http://h:1/mcp?a=1&b=2' 'it'\\''s' '' --rate=50";
        assert_eq!(command_line(&words), quoted);
    }

    #[test]
    fn durations_and_sizes_as_people_say_them() {
        assert_eq!(duration_ms(500), "500 ms");
        assert_eq!(duration_ms(20_000), "20.0 seconds");
        assert_eq!(duration_ms(60_000), "1 minute");
        assert_eq!(duration_ms(900_000), "15 minutes");
        assert_eq!(duration_ms(150_000), "2.5 minutes");
        assert_eq!([60, 7_199, 82_800, 172_800].map(long_s), ["1 minute", "119 minutes", "23 hours", "2 days"]);
        assert_eq!(short_count(100_000), "100K");
        assert_eq!(short_count(1_500), "1,500");
        assert_eq!(short_count(2_000_000), "2M");
        assert_eq!(bytes(1_843.2), "1.80 KiB");
        assert_eq!(bytes(12.0), "12 bytes");
        assert_eq!(bytes(1.0), "1 byte");
        assert_eq!(plural(1, "replica"), "1 replica");
        assert_eq!(plural(1_200, "replica"), "1,200 replicas");
    }
}
