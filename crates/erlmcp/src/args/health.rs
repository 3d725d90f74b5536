//! `health`.

use std::time::Duration;

use clap::Args;

use super::duration::parse_duration;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct HealthArgs {
    /// The server's URL; of its path nothing is used
    #[arg(default_value = "http://127.0.0.1:8080")]
    pub(crate) url: String,
    /// How long the server may take to answer
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_duration)]
    pub(crate) timeout: Duration,
    /// As the check of a container image that does more than serve: healthy as well where the first process of the
    /// container is no server, so that a stress run in it isn't stopped for not answering
    #[arg(long)]
    pub(crate) container: bool,
}

const EXAMPLES: &str = "Examples:
  erlmcp health                                     port 8080 of this machine
  erlmcp health https://mcp.example --timeout 5s || echo broken";
