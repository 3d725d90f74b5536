//! `agent`, and what a run that waits for agents is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::duration::parse_duration;

pub(crate) const EXAMPLES: &str = "Examples:
  head -c 32 /dev/urandom | base64 > token     for the run and all its agents
  erlmcp stress http://10.0.0.9:8080 -c 30k -r 20k --allow-host 10.0.0.9 \\
      --agents 3 --agents-listen 10.0.0.1:7400 --agents-token-file token
  erlmcp agent --join 10.0.0.1:7400 --token-file token    on each machine";

#[derive(Debug, Args)]
pub(crate) struct AgentArgs {
    /// Where the run listens for its agents (--agents-listen)
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) join: String,
    /// File with the token that the run has too
    #[arg(long, value_name = "FILE", required_unless_present = "index")]
    pub(crate) token_file: Option<PathBuf>,
    /// Wait so long for a run that has a place
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = parse_duration)]
    pub(crate) wait: Duration,
    /// Wait for the next run when one is over, and for the first for ever
    #[arg(long)]
    pub(crate) keep: bool,
    /// Encrypt, and trust a run whose certificate comes from these (PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// This agent's own certificate (PEM), for a run that asks for one
    #[arg(long, value_name = "FILE", requires_all = ["tls_key", "tls_ca"])]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// The number of an agent that a run has started itself
    #[arg(long, hide = true)]
    pub(crate) index: Option<u32>,
}

/// Agents that are started elsewhere.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct JoiningArgs {
    /// Wait here for --agents agents that join from other machines (see docs/agents.md)
    #[arg(long, value_name = "IP:PORT", requires_all = ["agents", "agents_token_file"], hide_short_help = true)]
    pub(crate) agents_listen: Option<SocketAddr>,
    /// File with the token that they must show
    #[arg(long, value_name = "FILE", requires = "agents_listen", hide_short_help = true)]
    pub(crate) agents_token_file: Option<PathBuf>,
    /// Wait so long for them [default: 5m]
    #[arg(long, value_name = "TIME", requires = "agents_listen", value_parser = parse_duration, hide_short_help = true)]
    pub(crate) agents_wait: Option<Duration>,
    /// Encrypt their lines, with this certificate (PEM)
    #[arg(long, value_name = "FILE", requires_all = ["agents_listen", "agents_key"], hide_short_help = true)]
    pub(crate) agents_cert: Option<PathBuf>,
    /// The certificate's key (PEM)
    #[arg(long, value_name = "FILE", requires = "agents_cert", hide_short_help = true)]
    pub(crate) agents_key: Option<PathBuf>,
    /// Let in only agents whose own certificate comes from these (PEM)
    #[arg(long, value_name = "FILE", requires = "agents_cert", hide_short_help = true)]
    pub(crate) agents_ca: Option<PathBuf>,
    /// Keep every latency in the record beside its histogram, to check that; stress with --phases 1,2,3,6 and up to a million requests
    #[arg(long, hide_short_help = true)]
    pub(crate) raw_latencies: bool,
}
