//! `discover`.

use clap::Args;

use super::{Era, ReachingArgs};

#[derive(Debug, Args)]
pub(crate) struct DiscoverArgs {
    /// The server's URL; its path defaults to /mcp
    pub(crate) url: String,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Protocol era
    #[arg(long, value_enum, default_value_t = Era::Auto)]
    pub(crate) era: Era,
    #[command(flatten)]
    pub(crate) reaching: ReachingArgs,
}
