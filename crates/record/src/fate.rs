use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// How a planned request ended. Every planned request has exactly one (method.md, Requests).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Answered with a result that carries the request's id.
    Ok,
    /// A `tools/call` result with `isError: true`.
    ToolError,
    /// A JSON-RPC error, or an answer that is not one to this request (another id, not JSON-RPC).
    RpcError,
    /// An HTTP status without a usable JSON-RPC answer.
    HttpError,
    /// 503 or 429 with `executed: false`: the server said no before it did anything.
    Refused,
    /// No whole answer within the timeout.
    TimedOut,
    /// The connection or the stream ended between the first byte sent and the whole answer.
    Reset,
    /// Withdrawn by the client.
    Cancelled,
    /// Its agent died before it could tell.
    Unknown,
    /// Never sent: its connection was lost or refused by the target.
    UnsentConnection,
    /// Never sent: its connection was still busy with earlier requests past the timeout.
    UnsentBusy,
    /// Never sent: the generator came too late to it.
    UnsentNoTime,
    /// Never sent: the generator had no descriptor or port for its connection.
    UnsentNoDescriptor,
}

impl Fate {
    /// All fates, in the order in which counts and tables list them.
    pub const ALL: [Fate; 13] = [
        Fate::Ok,
        Fate::ToolError,
        Fate::RpcError,
        Fate::HttpError,
        Fate::Refused,
        Fate::TimedOut,
        Fate::Reset,
        Fate::Cancelled,
        Fate::Unknown,
        Fate::UnsentConnection,
        Fate::UnsentBusy,
        Fate::UnsentNoTime,
        Fate::UnsentNoDescriptor,
    ];

    /// The name used in records and tables.
    pub fn name(self) -> &'static str {
        match self {
            Fate::Ok => "ok",
            Fate::ToolError => "tool_error",
            Fate::RpcError => "rpc_error",
            Fate::HttpError => "http_error",
            Fate::Refused => "refused",
            Fate::TimedOut => "timed_out",
            Fate::Reset => "reset",
            Fate::Cancelled => "cancelled",
            Fate::Unknown => "unknown",
            Fate::UnsentConnection => "unsent_connection",
            Fate::UnsentBusy => "unsent_busy",
            Fate::UnsentNoTime => "unsent_no_time",
            Fate::UnsentNoDescriptor => "unsent_no_descriptor",
        }
    }

    /// True where the generator, not the target, is why the request was never sent.
    pub fn is_generators(self) -> bool {
        matches!(self, Fate::UnsentNoTime | Fate::UnsentNoDescriptor)
    }
}

/// How many requests ended in each fate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FateCounts([u64; Fate::ALL.len()]);

impl FateCounts {
    pub fn get(&self, fate: Fate) -> u64 {
        self.0[fate as usize]
    }

    pub fn add(&mut self, fate: Fate, count: u64) {
        self.0[fate as usize] += count;
    }

    pub fn merge(&mut self, other: &FateCounts) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }

    /// All requests counted here.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub fn is_empty(&self) -> bool {
        self.total() == 0
    }

    /// The fates that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (Fate, u64)> + '_ {
        Fate::ALL.into_iter().map(|fate| (fate, self.get(fate))).filter(|(_, count)| *count > 0)
    }
}

/// Written as an object of the fates that occurred: `{"ok": 41, "reset": 1}`.
impl Serialize for FateCounts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl JsonSchema for FateCounts {
    fn schema_name() -> Cow<'static, str> {
        "FateCounts".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How many requests ended in each fate; fates that did not occur are left out.",
            "type": "object",
            "propertyNames": generator.subschema_for::<Fate>(),
            "additionalProperties": generator.subschema_for::<u64>(),
        })
    }
}

impl<'de> Deserialize<'de> for FateCounts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = std::collections::BTreeMap::<Fate, u64>::deserialize(deserializer)?;
        let mut counts = FateCounts::default();
        for (fate, count) in map {
            counts.add(fate, count);
        }
        Ok(counts)
    }
}
