//! The erlmcp command: arguments, wiring, exit codes.

#![forbid(unsafe_code)]
#![allow(clippy::print_stderr, reason = "the one crate that prints")]

mod args;
mod clock;
mod commands;
mod console;
mod exit;
mod fixtures;
mod interrupt;
mod layers;
mod log;
mod screen;
mod turns;

use std::process::ExitCode;

use args::{Args, Command};
use layers::Refused;

fn main() -> ExitCode {
    let code = layers::parse(std::env::args_os(), |name| std::env::var_os(name)).map_or_else(Refused::tell, run);
    match console::failure() {
        Some(why) if code != exit::code(exit::INTERRUPTED) => {
            eprintln!("erlmcp: cannot write all of it to standard output: {why}: send it elsewhere");
            exit::code(exit::ERROR)
        }
        _ => code,
    }
}

fn run(args: Args) -> ExitCode {
    let has_color = !args.no_color && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    log::to_stderr(has_color);
    if !has_color {
        screen::without_colors();
    }
    let result = match args.command {
        Command::Stress(args) => commands::stress::run(*args),
        Command::Comprehensive(args) => commands::comprehensive::run(*args),
        Command::Capacity(args) => commands::capacity::run(*args),
        Command::Chaos(args) => commands::chaos::run(*args),
        Command::Watch(args) => commands::watch::run(*args),
        Command::Observe(args) => commands::observe::run(&args),
        Command::Discover(args) => commands::discover::run(args),
        Command::Doctor(args) => commands::doctor::run(*args, has_color),
        Command::Autoscale(args) => commands::autoscale::run(args),
        Command::Audit(args) => commands::audit::run(&args),
        Command::Report(args) => commands::report::run(&args),
        Command::Record(args) => commands::record::run(&args),
        Command::Compare(args) => commands::compare::run(&args),
        Command::Completions(args) => Ok(commands::completions::completions(args.shell)),
        Command::Man(args) => commands::completions::man(&args.folder),
        Command::Config(words) => Ok(commands::config::run(&words, args.config.as_deref())),
        Command::Reference => Ok(commands::reference::run()),
        Command::Health(args) => commands::health::run(&args),
        Command::Serve(args) => commands::serve::run(args),
        Command::Cluster(args) => commands::cluster::run(args),
        Command::Token(args) => commands::entry::token(&args),
        Command::Replica(args) => commands::replica::run(&args),
        Command::Store => commands::store::run(),
        Command::Agent(args) => commands::agent::run(args),
        Command::ConformanceClient(args) => commands::conformance::run(args),
        Command::FaultProxy => commands::watchdog::proxy(),
        Command::Watchdog => commands::watchdog::run(),
    };
    result.unwrap_or_else(|error| {
        eprintln!("erlmcp: {}", sentence(&error));
        exit::code(exit::ERROR)
    })
}

/// The error and what it came from, without saying anything twice: many errors quote their cause themselves.
fn sentence(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |said, cause| match cause.to_string() {
        cause if said.contains(&cause) => said,
        cause if said.is_empty() => cause,
        cause => format!("{said}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::sentence;

    #[test]
    fn nothing_is_said_twice() {
        let io = std::io::Error::other("no room");
        assert_eq!(
            sentence(&anyhow!(io).context("cannot write: no room; make some")),
            "cannot write: no room; make some"
        );
        assert_eq!(sentence(&anyhow!("no room").context("cannot write")), "cannot write: no room");
    }
}
