//! `config`: what a command would run with, from all that is said to it.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use crate::args::ConfigArgs;
use crate::console;
use crate::layers;

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
        Err(refused) => refused.tell(),
    }
}
