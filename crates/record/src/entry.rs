use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    AgentSample, BlockRow, CapacityRow, ChangeRow, ClockRow, ClusterSample, ConfigRow, ConnectionRow, EndRow,
    EpisodeRow, FanOutRow, FaultRow, FindingRow, IntervalRow, JoinedRow, MembershipRow, MisbehavingRow, PhaseRow,
    RunHeader, ScenarioRow, StreamRow, TargetRow,
};

/// One line of `journal.jsonl`. Every time in it is on the run's clock: microseconds since the run began,
/// unless its name says otherwise; a `second` is that clock's, from 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "row", rename_all = "snake_case")]
#[schemars(title = "A row of the record of an erlmcp run")]
#[expect(
    clippy::large_enum_variant,
    reason = "rows are made, written and dropped one at a time, never kept in numbers"
)]
pub enum Entry {
    /// Always the first line.
    Run(RunHeader),
    /// What was asked for, flag by flag, and the thresholds that judge it.
    Config(ConfigRow),
    /// What the baseline found at the other end.
    Target(TargetRow),
    Phase(PhaseRow),
    /// A block of work given to one agent, with the number of requests that it planned.
    Block(BlockRow),
    /// Requests of one second, from one agent. Rows with the same key add up.
    Interval(IntervalRow),
    /// Connections of one second, from one agent.
    Connections(ConnectionRow),
    /// Streams of notifications of one second, from one agent.
    Streams(StreamRow),
    /// A change on the target, for streams to tell of.
    Change(ChangeRow),
    /// What became of a change on one agent's streams.
    FanOut(FanOutRow),
    /// Clients that were wrong on purpose in one way, of one agent.
    Misbehaving(MisbehavingRow),
    /// One replica lost and replaced, as one agent's clients lived it. The last row of an episode counts.
    Episode(EpisodeRow),
    /// An agent's own resources and lags.
    Agent(AgentSample),
    /// An agent that was started elsewhere and joined the run.
    Joined(JoinedRow),
    /// How far its clock was from the run's.
    Clock(ClockRow),
    /// The server's side, sampled once a second by the collector.
    Cluster(ClusterSample),
    /// A replica is lost to its cluster, or is a member again.
    Membership(MembershipRow),
    Fault(FaultRow),
    Scenario(ScenarioRow),
    /// A single named figure that a block found (a baseline latency, a closing gauge).
    Finding(FindingRow),
    /// What a search for the target's capacity was about, tried and found.
    Capacity(CapacityRow),
    /// Always the last line of a run that ended in order.
    End(EndRow),
}

/// Every kind of row by its name in the record, and what it is.
pub const ROWS: [(&str, &str); 22] = [
    ("run", "the first line: version, command, when it began, the machine"),
    ("config", "what was asked for, flag by flag, and the limits that judge it"),
    ("target", "what the baseline found at the other end"),
    ("phase", "a phase has begun, has ended or was left out, and why"),
    ("block", "work given to one agent, with the number of requests that it planned"),
    ("interval", "requests of one second from one agent, by phase, kind and replica: fates, causes, histograms"),
    ("connections", "connections of one second from one agent"),
    ("streams", "notification streams of one second from one agent"),
    ("change", "a change on the target, for streams to tell of"),
    ("fan_out", "what became of a change on one agent's streams"),
    ("misbehaving", "clients of one agent that were wrong on purpose in one way"),
    ("episode", "a replica lost and replaced, as one agent's clients lived it; the last row of an episode counts"),
    ("agent", "an agent's own CPU, memory and lags"),
    ("joined", "an agent that was started elsewhere: where it runs, and how its clock was mapped onto the run's"),
    ("clock", "how far such an agent's clock was from the run's, every ten seconds"),
    ("cluster", "what the server's side says of itself, once a second"),
    ("membership", "a replica is lost to its cluster, or a member again"),
    ("fault", "what was done to the target, its effect, its healing and what followed, with their times"),
    ("scenario", "what was measured apart, and which blocks belong to it"),
    ("finding", "a single named figure that a block found"),
    ("capacity", "what a search for the capacity was about, tried and found"),
    ("end", "the last line of a run that ended in order"),
];

/// The JSON Schema of a line of `journal.jsonl`, made from the rows' own types.
pub fn row_schema() -> serde_json::Value {
    schemars::schema_for!(Entry).to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_row_is_told_of() {
        // What serde would take stands in its own words.
        let refused = serde_json::from_str::<Entry>(r#"{"row":"?"}"#).expect_err("no such row").to_string();
        let known: Vec<&str> = refused.split('`').skip(3).step_by(2).collect();
        let told = ROWS.map(|(kind, _)| kind);
        assert_eq!(known, told, "{refused}");
    }

    /// `UPDATE_SCHEMA=1 cargo test -p erlmcp-record schema` writes it anew.
    #[test]
    fn the_schema_in_the_documents_is_that_of_the_rows() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/record.schema.json");
        let schema = row_schema();
        let rows = schema["oneOf"].as_array().expect("one for each kind of row");
        let kinds: Vec<&str> = rows.iter().filter_map(|row| row["properties"]["row"]["const"].as_str()).collect();
        assert_eq!(kinds, ROWS.map(|(kind, _)| kind));
        let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n";
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(path, &text).expect("written");
        }
        let written = std::fs::read_to_string(path).expect("docs/record.schema.json");
        assert_eq!(written, text, "write it anew: UPDATE_SCHEMA=1 cargo test -p erlmcp-record schema");
    }
}
