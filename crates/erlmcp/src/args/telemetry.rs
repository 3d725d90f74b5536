//! Telemetry of `serve` and `cluster`.

use clap::Args;

/// What is told to a collector of OpenTelemetry; see docs/telemetry.md.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TelemetryArgs {
    /// Send spans and metrics there (OTLP/HTTP)
    #[arg(long, value_name = "URL", value_parser = parse_collector)]
    pub(crate) otlp: Option<String>,
    /// Of requests without a `traceparent`, the percentage that gets a span; of the others their client decides [default: 1]
    #[arg(long, value_name = "PERCENT", requires = "otlp", value_parser = parse_percent, hide_short_help = true)]
    pub(crate) otlp_sample: Option<f64>,
}

fn parse_collector(text: &str) -> Result<String, String> {
    let host = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    match host {
        Some(host) if !host.is_empty() && !host.starts_with('/') => Ok(text.into()),
        _ => Err("a collector's address is written as http://HOST:PORT or https://HOST:PORT".into()),
    }
}

fn parse_percent(text: &str) -> Result<f64, String> {
    let percent = text.strip_suffix('%').unwrap_or(text).parse().ok();
    percent.filter(|percent| (0.0..=100.0).contains(percent)).ok_or_else(|| "it is a percentage from 0 to 100".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_percentages_are_checked() {
        assert_eq!(parse_collector("http://localhost:4318"), Ok("http://localhost:4318".into()));
        for wrong in ["localhost:4318", "http://", "http:///v1", "grpc://localhost:4317", ""] {
            assert!(parse_collector(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!([parse_percent("0"), parse_percent("100"), parse_percent("2.5%")], [Ok(0.0), Ok(100.0), Ok(2.5)]);
        for wrong in ["-1", "101", "NaN", "inf", "a", ""] {
            assert!(parse_percent(wrong).is_err(), "{wrong:?}");
        }
    }
}
