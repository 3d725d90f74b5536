//! `capacity`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use erlmcp_report::slo::Slo;

use super::LoadArgs;
use super::count::{parse_count, parse_rate};
use super::duration::parse_duration;

/// What is sought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Axis {
    Rate,
    Connections,
    /// Both, and the curve between them
    Both,
}

#[derive(Debug, Args)]
#[command(
    after_help = EXAMPLES,
    mut_arg("ramp_rate", |arg| arg.default_value("2000")),
    mut_arg("thresholds", |arg| {
        arg.help("Least that is enough, as capacity.rate_rps=50")
    }),
    mut_arg("allow_host", |arg| {
        arg.help("Another host that may be loaded (repeatable)")
    })
)]
pub(crate) struct CapacityArgs {
    /// The server's URL. Without it: a local cluster of its own
    pub(crate) url: Option<String>,
    /// What a load must keep
    ///
    /// p50 to p99.9, mean, max and errors, each with < or <=.
    #[arg(long, value_name = "LIST", default_value = "p99<100ms,errors<0.05%")]
    pub(crate) slo: Slo,
    /// Connections of the most requests/s
    #[arg(short, long, value_name = "N", default_value = "100", value_parser = parse_count)]
    pub(crate) connections: u64,
    /// Requests/s of the most connections [default: half]
    #[arg(short, long, value_name = "RATE", value_parser = parse_rate)]
    pub(crate) rate: Option<f64>,
    /// What is sought
    #[arg(long, value_enum, default_value_t = Axis::Both)]
    pub(crate) axis: Axis,
    /// Points of the curve between its two ends
    #[arg(long, value_name = "N", default_value = "2", hide_short_help = true)]
    pub(crate) points: u32,
    /// Replicas that carry so much: 50000/s,200k
    #[arg(long = "for", value_name = "LOAD", value_parser = parse_wanted)]
    pub(crate) wanted: Option<(f64, u64)>,
    /// Judged time of a trial; as much longer as a percentile needs at a low rate
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration, hide_short_help = true)]
    pub(crate) trial: Duration,
    /// Time of a trial before that
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_duration, hide_short_help = true)]
    pub(crate) warmup: Duration,
    /// How wide an answer's 95 % interval may be
    #[arg(long, value_name = "PERCENT", default_value = "3%", value_parser = parse_percent, hide_short_help = true)]
    pub(crate) precision: f64,
    /// Trials of one search, at most
    #[arg(long, value_name = "N", default_value = "40", hide_short_help = true)]
    pub(crate) trials: u32,
    /// Requests/s of the first trial
    #[arg(long, value_name = "RATE", default_value = "100", value_parser = parse_count, hide_short_help = true)]
    pub(crate) start_rate: u64,
    /// No more requests/s are tried [default: 200k]
    #[arg(long, value_name = "RATE", value_parser = parse_count)]
    pub(crate) max_rate: Option<u64>,
    /// No more connections are tried [default: 20k]
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(crate) max_connections: Option<u64>,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
}

/// Parses a share: `3%`, `0.5%`.
fn parse_percent(text: &str) -> Result<f64, String> {
    let wrong = || format!("{text:?} is not a share: write 3%");
    let number = parse_rate(text.trim().strip_suffix('%').ok_or_else(wrong)?).map_err(|_| wrong())?;
    Ok(number / 100.0)
}

/// Parses a load: `50000/s,200k`.
fn parse_wanted(text: &str) -> Result<(f64, u64), String> {
    let wrong = || format!("{text:?} is not a load: write requests a second and connections, as 50000/s,200k");
    let (rate, connections) = text.split_once(',').ok_or_else(wrong)?;
    let rate = parse_rate(rate.trim().strip_suffix("/s").ok_or_else(wrong)?).map_err(|_| wrong())?;
    let connections = parse_count(connections).map_err(|_| wrong())?;
    if rate > 0.0 && connections > 0 { Ok((rate, connections)) } else { Err(wrong()) }
}

const EXAMPLES: &str = "Examples:
  erlmcp capacity http://localhost:8080 --slo 'p99<50ms,errors<0.1%'
  erlmcp capacity http://localhost:8080 -c 1k --axis rate    only requests/s
  erlmcp capacity --replicas 1 --for 50000/s,200k            how many replicas";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wanted_load_has_a_rate_and_connections() {
        assert_eq!(parse_wanted("50000/s,200k"), Ok((50_000.0, 200_000)));
        assert_eq!(parse_wanted("1.5k/s, 10"), Ok((1_500.0, 10)));
        for text in ["", "50000", "50000,200k", "50000/s", "0/s,1", "1/s,0", "x/s,1"] {
            assert!(parse_wanted(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_share_has_its_sign() {
        assert_eq!(parse_percent("3%"), Ok(0.03));
        assert!(parse_percent("3").is_err() && parse_percent("x%").is_err());
    }
}
