//! `config`: what a command would run with, from all that is said to it.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use crate::args::ConfigArgs;
use crate::console;
use crate::exit::{USAGE, code};
use crate::layers::{self, Refused};

/// `file` was named in front of the command.
pub(crate) fn run(args: &ConfigArgs, file: Option<&Path>) -> ExitCode {
    let mut words: Vec<OsString> = Vec::new();
    if let Some(file) = file {
        words.extend(["--config".into(), file.into()]);
    }
    words.extend_from_slice(&args.words);
    match layers::print(&words) {
        Ok(text) => {
            console::print(&text);
            ExitCode::SUCCESS
        }
        Err(Refused::Usage(error)) => error.exit(),
        Err(Refused::Said(why)) => {
            eprintln!("erlmcp: {why}");
            code(USAGE)
        }
    }
}
