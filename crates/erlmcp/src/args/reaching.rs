//! How a server is spoken to: what `stress` and `discover` have in common.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ReachingArgs {
    /// A header for every request, as 'Name: value' (repeatable); values are shown nowhere
    #[arg(short = 'H', long = "header", value_name = "HEADER", hide_env_values = true)]
    pub(crate) headers: Vec<String>,
    /// A file with a bearer token, for every request
    #[arg(long, value_name = "FILE", conflicts_with = "bearer_env")]
    pub(crate) bearer_file: Option<PathBuf>,
    /// An environment variable with a bearer token
    #[arg(long, value_name = "NAME")]
    pub(crate) bearer_env: Option<String>,
    /// A PEM file of root certificates to trust, beside the system's, for https://
    #[arg(long, value_name = "FILE")]
    pub(crate) cacert: Option<PathBuf>,
    /// Trust any certificate
    #[arg(long, conflicts_with = "cacert")]
    pub(crate) insecure: bool,
}
