//! Durations as people write them: `500ms`, `30s`, `15m`, `1h30m`.

use std::time::Duration;

/// Parses one or more numbers, each with its unit (ms, s, m, h).
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration: write 500ms, 30s, 15m or 1h30m");
    let mut rest = text.trim();
    let mut total_ms = 0.0;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        total_ms += number
            * match &rest[..letters] {
                "ms" => 1.0,
                "s" => 1_000.0,
                "m" | "min" => 60_000.0,
                "h" => 3_600_000.0,
                _ => return Err(wrong()),
            };
        rest = &rest[letters..];
    }
    if total_ms > 1e12 {
        return Err(format!("{text:?} is too long"));
    }
    Ok(Duration::from_millis(total_ms.round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
    }

    #[test]
    fn a_number_without_unit_is_refused() {
        for text in ["", "30", "s", "5x", "1h30", "-5s"] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }
}
