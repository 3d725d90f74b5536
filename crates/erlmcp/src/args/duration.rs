//! Durations as people write them: `500ms`, `30s`, `15m`, `1h30m`.

use std::time::Duration;

pub(crate) use erlmcp_orchestrator::parse_duration;

/// Parses a number of minutes, as the third word of `erlmcp stress URL CONNECTIONS MINUTES`; a fraction is allowed.
pub(crate) fn parse_minutes(text: &str) -> Result<Duration, String> {
    let minutes: f64 = text.parse().map_err(|_| format!("{text:?} is not a number of minutes"))?;
    if !(minutes > 0.0 && minutes <= 100_000.0) {
        return Err(format!("{text:?} minutes cannot be run"));
    }
    Ok(Duration::from_millis((minutes * 60_000.0).round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_numbers() {
        assert_eq!(parse_minutes("0.5"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_minutes("15"), Ok(Duration::from_secs(900)));
        for text in ["0", "-1", "nan", "x", "inf"] {
            assert!(parse_minutes(text).is_err(), "{text:?}");
        }
    }
}
