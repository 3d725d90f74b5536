//! How a server is spoken to: what `stress` and `discover` have in common.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ReachingArgs {
    /// A header of every request, as 'Name: value'
    ///
    /// Repeatable; its value is shown nowhere.
    #[arg(short = 'H', long = "header", value_name = "HEADER", hide_env_values = true)]
    pub(crate) headers: Vec<String>,
    /// A file with a bearer token, for every request
    #[arg(long, value_name = "FILE", conflicts_with = "bearer_env", hide_short_help = true)]
    pub(crate) bearer_file: Option<PathBuf>,
    /// An environment variable with a bearer token
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(crate) bearer_env: Option<String>,
    /// A file of bearer tokens, one a line, that the connections take in turn; they are shown nowhere
    #[arg(long, value_name = "FILE", conflicts_with_all = ["bearer_file", "bearer_env"], hide_short_help = true)]
    pub(crate) token_file: Option<PathBuf>,
    /// A PEM file of root certificates to trust, beside the system's, for https://
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) cacert: Option<PathBuf>,
    /// Trust any certificate
    #[arg(long, conflicts_with = "cacert", hide_short_help = true)]
    pub(crate) insecure: bool,
}
