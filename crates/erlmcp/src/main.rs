//! The erlmcp command: arguments, wiring, exit codes.

mod args;

use clap::Parser;

fn main() {
    let _ = args::Args::parse();
}
