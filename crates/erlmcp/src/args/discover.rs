//! `discover`.

use std::time::Duration;

use clap::Args;

use super::duration::parse_duration;
use super::{Era, ReachingArgs};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DiscoverArgs {
    /// The server's URL; its path defaults to /mcp
    pub(crate) url: String,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Protocol era
    #[arg(long, value_enum, default_value_t = Era::Auto)]
    pub(crate) era: Era,
    /// How long a stream is watched for keep-alives; 0s: not at all
    #[arg(long, value_name = "TIME", default_value = "35s", value_parser = parse_duration)]
    pub(crate) keep_alive_wait: Duration,
    #[command(flatten)]
    pub(crate) reaching: ReachingArgs,
}

const EXAMPLES: &str = "Examples:
  erlmcp discover http://localhost:8080
  erlmcp discover https://mcp.example/mcp --bearer-env TOKEN --json";
