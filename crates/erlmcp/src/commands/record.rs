//! `record`: from a log of requests to a trace.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use erlmcp_orchestrator::Recording;
use erlmcp_report::plural;

use super::refused;
use crate::args::RecordArgs;
use crate::console;

pub(crate) fn run(args: &RecordArgs) -> anyhow::Result<ExitCode> {
    match record(args) {
        Ok(Recording { requests, seconds, left_out }) => {
            console::line(format_args!("{requests} requests of {seconds:.1} s are in {}", args.output.display()));
            if left_out > 0 {
                let lines = plural(left_out, "line");
                console::line(format_args!(
                    "{lines} left out: handshakes, notifications, streams, and requests whose parameters no trace keeps"
                ));
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Ok(refused(&error)),
    }
}

fn record(args: &RecordArgs) -> anyhow::Result<Recording> {
    let log: Box<dyn Read> = match args.from_log.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => {
            let path = args.from_log.display();
            Box::new(File::open(&args.from_log).with_context(|| format!("cannot read {path}"))?)
        }
    };
    let is_there = args.output.exists();
    ensure!(!is_there, "{} is there already: name another file with --output", args.output.display());
    let mut trace = Vec::new();
    let made = erlmcp_orchestrator::record(BufReader::new(log), &args.argument, &mut trace)
        .with_context(|| args.from_log.display().to_string())?;
    let write = || -> std::io::Result<()> {
        let mut file = BufWriter::new(File::create_new(&args.output)?);
        file.write_all(&trace)?;
        file.flush()
    };
    write().with_context(|| format!("cannot write {}", args.output.display()))?;
    Ok(made)
}
