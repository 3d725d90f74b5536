//! `conformance-client`.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct ConformanceArgs {
    /// The server of a scenario of the official conformance suite, which names it in MCP_CONFORMANCE_SCENARIO
    pub(crate) url: String,
}
