use std::collections::BTreeMap;

use erlmcp_record::FateCounts;
use serde::{Deserialize, Serialize};

/// One second of the run: one line of metrics.jsonl.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SecondView {
    /// Of the run's clock, from 0.
    pub second: u32,
    pub phase: u8,
    pub phase_name: String,
    /// Open at the end of the second, as the agents count.
    pub connections: u64,
    /// The same, by the server's gauge.
    pub connections_server: Option<u64>,
    pub connections_by_replica: Vec<(u16, u64)>,
    pub opened: u64,
    pub lost: u64,
    pub offered_rps: f64,
    pub answered_rps: f64,
    pub p50_ms: Option<f64>,
    pub p95_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub max_ms: Option<f64>,
    pub mean_ms: Option<f64>,
    pub fates: FateCounts,
    pub errors: BTreeMap<String, u64>,
}

impl SecondView {
    /// One line of metrics.jsonl, with its line end.
    pub fn to_json_line(&self) -> String {
        let mut line = serde_json::to_string(self).expect("a second has only names and numbers");
        line.push('\n');
        line
    }
}
