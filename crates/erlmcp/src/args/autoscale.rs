//! `autoscale`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::ClusterAddress;
use super::count::{parse_count, parse_some};
use super::duration::parse_duration;

pub(super) const EXAMPLES: &str = "Examples:
  erlmcp autoscale --min 4 --max 24                the local cluster
  erlmcp autoscale --swarm erlmcp_erlmcp-server    a Swarm service, from inside
For the latter see deploy/swarm/README.md";

#[derive(Debug, Args)]
pub(crate) struct AutoscaleArgs {
    #[command(flatten)]
    pub(crate) at: ClusterAddress,
    /// A service of Docker Swarm in place of a cluster of this machine; it must have the label erlmcp.autoscale=true
    #[arg(long, value_name = "SERVICE", conflicts_with = "control")]
    pub(crate) swarm: Option<String>,
    /// By which the service's replicas are found [default: tasks.SERVICE]
    #[arg(long, value_name = "NAME", requires = "swarm")]
    pub(crate) tasks: Option<String>,
    /// Socket of the Docker engine, a manager's [default: /var/run/docker.sock]
    #[arg(long, value_name = "PATH", requires = "swarm")]
    pub(crate) engine: Option<PathBuf>,
    /// A file with a bearer token of the scope `metrics`, where the service's replicas ask for one
    #[arg(long, value_name = "FILE", requires = "swarm")]
    pub(crate) bearer_file: Option<PathBuf>,
    /// The service's replicas speak TLS, with a certificate for the name by which they are found
    #[arg(long, requires = "swarm")]
    pub(crate) tls: bool,
    /// A PEM file of root certificates to trust, beside the system's
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub(crate) cacert: Option<PathBuf>,
    /// Trust any certificate
    #[arg(long, requires = "tls", conflicts_with = "cacert")]
    pub(crate) insecure: bool,
    /// Replicas at least
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) min: u16,
    /// Replicas at most
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub(crate) max: u16,
    /// Connections that one replica is to have
    #[arg(long, value_name = "N", default_value = "8334", value_parser = parse_count)]
    pub(crate) connections: u64,
    /// Per cent of the queue's places above which half as many replicas are added
    #[arg(long, value_name = "PERCENT", default_value = "50", value_parser = parse_some)]
    pub(crate) queue: usize,
    /// From one change to the next; replicas go when fewer were enough for so long
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    pub(crate) cool_down: Duration,
    /// Between two looks at the load
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_duration)]
    pub(crate) every: Duration,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
}
