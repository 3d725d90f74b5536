//! `observe`.

use clap::Args;

use super::ReachingArgs;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ObserveArgs {
    /// A server's URL, a run's folder, or a bundle of one
    #[arg(value_name = "URL|RUN", default_value = "http://localhost:8080")]
    pub(crate) what: String,
    /// A plain table of now, in place of the screen
    #[arg(long)]
    pub(crate) once: bool,
    /// A page in a browser of this machine, with the charts of report.html
    #[arg(long, conflicts_with = "once")]
    pub(crate) web: bool,
    /// Where the page listens [default: any free port]
    #[arg(long, value_name = "PORT", requires = "web")]
    pub(crate) port: Option<u16>,
    #[command(flatten)]
    pub(crate) reaching: ReachingArgs,
}

const EXAMPLES: &str = "Examples:
  erlmcp observe                                   the cluster of this machine
  erlmcp observe http://localhost:8080 --once      its replicas, as a table
  erlmcp observe test-results/stress-test-...      a run that goes on or is over
  erlmcp observe --web                             the same as a page
  erlmcp observe https://HOST --bearer-file FILE   one that asks for tokens";
