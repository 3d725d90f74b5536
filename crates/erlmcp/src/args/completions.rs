//! `completions` and `man`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// The shells that are known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// Whose completions
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
#[command(after_help = MAN_EXAMPLE)]
pub(crate) struct ManArgs {
    /// The folder for the pages; it is made where it is not there
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

const EXAMPLES: &str = "Examples:
  erlmcp completions bash > ~/.local/share/bash-completion/completions/erlmcp
  erlmcp completions zsh > ~/.zfunc/_erlmcp
  erlmcp completions fish > ~/.config/fish/completions/erlmcp.fish";

const MAN_EXAMPLE: &str = "An example:
  erlmcp man ~/.local/share/man/man1    then: man erlmcp-stress";
