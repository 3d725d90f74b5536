//! `report`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReportArgs {
    /// The folder of a run, or a bundle of one (run.tar.zst)
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// What to make of it
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Where to write it; "-" is standard output [html: report.html in RUN, else standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Pack the record, the journals and their hashes into one file, for others to audit
    #[arg(long, value_name = "FILE", conflicts_with_all = ["format", "output"])]
    pub(crate) bundle: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// As at the end of the run
    Text,
    /// One page with charts, which needs no network
    Html,
    /// FINAL_REPORT.md
    Markdown,
    /// report.json
    Json,
    /// For CI: a suite a phase, a case a check
    Junit,
    /// The seconds of the run, a line each
    Csv,
    /// Text for a push gateway
    Prometheus,
    /// For $GITHUB_STEP_SUMMARY
    Github,
}

const EXAMPLES: &str = "Examples:
  erlmcp report RUN --format html             RUN/report.html
  erlmcp report RUN --format junit -o junit.xml
  erlmcp report RUN --format github >> $GITHUB_STEP_SUMMARY
  erlmcp report RUN --format prometheus | curl --data-binary @- GATEWAY_URL
  erlmcp report RUN --bundle run.tar.zst      then: erlmcp audit run.tar.zst

Exit codes: 0 written, 1 error, 2 no run; the run's verdict changes none";
