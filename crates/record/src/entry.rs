use serde::{Deserialize, Serialize};

use crate::{
    AgentSample, BlockRow, CapacityRow, ChangeRow, ClusterSample, ConfigRow, ConnectionRow, EndRow, EpisodeRow,
    FanOutRow, FaultRow, FindingRow, IntervalRow, MembershipRow, MisbehavingRow, PhaseRow, RunHeader, ScenarioRow,
    StreamRow, TargetRow,
};

/// One line of `journal.jsonl`. Every time in it is on the run's clock: microseconds since the run began,
/// unless its name says otherwise; a `second` is that clock's, from 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "row", rename_all = "snake_case")]
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
