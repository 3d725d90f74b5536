//! `config`.

use std::ffi::OsString;

use clap::Args;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConfigArgs {
    /// Print what the command would run with, as TOML, and where each value comes from
    #[arg(long, required = true)]
    pub(crate) print: bool,
    /// The command and its flags
    #[arg(value_name = "COMMAND", default_value = "stress", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<OsString>,
}

const EXAMPLES: &str = "Examples:
  erlmcp config --print                          what `stress` would run with
  erlmcp config --print chaos --config plan.toml -c 5k    who says each value
  erlmcp config --print stress > plan.toml       for --config plan.toml";
