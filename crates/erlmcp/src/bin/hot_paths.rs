//! Goes a hot path so often, for `bench/instructions` to count what that costs: `hot-paths NAME TIMES`. Without arguments
//! it prints the names.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a binary prints")]

use std::process::ExitCode;

use erlmcp_load::hot::Hot as Generator;
use erlmcp_server::hot::Hot as Server;

/// A path's name, and what goes it so often.
type HotPath = (&'static str, fn(u64));

fn of_server(times: u64, once: fn(&mut Server)) {
    let mut server = Server::new();
    (0..times).for_each(|_| once(&mut server));
}

fn of_generator(times: u64, once: fn(&mut Generator)) {
    let mut generator = Generator::new();
    (0..times).for_each(|_| once(&mut generator));
}

const PATHS: [HotPath; 10] = [
    ("server: request", |times| of_server(times, Server::serve)),
    ("server: request, 1 % traced", |times| {
        let mut server = Server::traced();
        (0..times).for_each(|_| server.serve_traced());
    }),
    ("server: parse", |times| of_server(times, |server| server.parse())),
    ("server: parse and dispatch", |times| of_server(times, Server::dispatch)),
    ("server: encode", |times| of_server(times, Server::encode)),
    ("generator: request", |times| of_generator(times, Generator::request)),
    ("generator: send", |times| of_generator(times, Generator::send)),
    ("generator: check", |times| of_generator(times, Generator::check)),
    ("generator: ledger", |times| of_generator(times, Generator::ledger)),
    ("generator: histogram", |times| of_generator(times, Generator::histogram)),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        PATHS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    let times = arguments.next().and_then(|times| times.parse().ok());
    let path = PATHS.iter().find(|(known, _)| *known == name);
    let (Some((_, go)), Some(times)) = (path, times) else {
        eprintln!("hot-paths: {name:?} is no path, or how often it is to be gone is no number");
        return ExitCode::from(2);
    };
    go(times);
    ExitCode::SUCCESS
}
