//! The form of a workload's file.

use std::collections::BTreeMap;

use erlmcp_load::Misbehaviour;
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

/// A workload of erlmcp: what clients do, how often, and what is expected of the answers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// One line for whoever reads the plan.
    pub(super) about: Option<String>,
    /// Connections, where the command line does not say.
    pub(super) connections: Option<u64>,
    /// Requests a second, where the command line does not say. Without both: as sessions with their think times give.
    pub(super) rate: Option<f64>,
    /// Streams of notifications beside the connections, where the command line does not say.
    pub(super) streams: Option<u64>,
    /// The same as a share of the connections, 0 to 1.
    pub(super) streams_share: Option<f64>,
    /// The protocol's era, where the command line does not say.
    pub(super) era: Option<EraWord>,
    /// Of the older era: a session of its own for each connection.
    #[serde(default)]
    pub(super) own_sessions: bool,
    pub(super) arrival: Option<ArrivalForm>,
    /// Values that arguments name as ${name}, drawn by the run's seed.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, ValueForm>")]
    pub(super) values: BTreeMap<String, Spanned<ValueForm>>,
    /// What clients walk through, step by step.
    #[serde(default)]
    #[schemars(with = "Vec<SessionForm>")]
    pub(super) session: Vec<Spanned<SessionForm>>,
    /// Sessions of one step.
    #[serde(default)]
    #[schemars(with = "Vec<StepForm>")]
    pub(super) request: Vec<Spanned<StepForm>>,
    /// Clients beside the connections that are wrong on purpose, while the load is sustained.
    #[serde(default)]
    #[schemars(with = "Vec<MisbehavingForm>")]
    pub(super) misbehaving: Vec<Spanned<MisbehavingForm>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MisbehavingForm {
    /// In which way.
    #[schemars(with = "WayWord")]
    pub(super) way: Spanned<WayWord>,
    /// So many, as a share of the connections: 0.01 are one beside each hundred.
    pub(super) share: f64,
    /// From the end of one deed to the next of the same client: "2s", or "1s..3s" (the default).
    pub(super) every: Option<String>,
}

/// Ways in which clients misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum WayWord {
    /// Half a request, then the connection is reset.
    CutInRequest,
    /// Half a request, then nothing more.
    HalfRequest,
    /// Calls again and again, and reads no answer.
    NeverReads,
    /// A call whose connection is gone before the answer.
    AbandonsCall,
    /// A method that no server has.
    UnknownMethod,
    /// A body that is not JSON.
    BadJson,
    /// A session that was never opened.
    WrongSession,
    /// Opens a session and goes away without ending it.
    NoDelete,
}

impl WayWord {
    pub(super) fn way(self) -> Misbehaviour {
        match self {
            Self::CutInRequest => Misbehaviour::CutInRequest,
            Self::HalfRequest => Misbehaviour::HalfRequest,
            Self::NeverReads => Misbehaviour::NeverReads,
            Self::AbandonsCall => Misbehaviour::AbandonsCall,
            Self::UnknownMethod => Misbehaviour::UnknownMethod,
            Self::BadJson => Misbehaviour::BadJson,
            Self::WrongSession => Misbehaviour::WrongSession,
            Self::NoDelete => Misbehaviour::NoDelete,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum EraWord {
    Modern,
    Legacy,
}

/// When sessions begin. Factors are of the rate; each kind takes the members that say so.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ArrivalForm {
    #[schemars(with = "ArrivalKind")]
    pub(super) kind: Spanned<ArrivalKind>,
    /// Of steps, sine and spikes: at random around the rate, in place of evenly.
    #[serde(default)]
    pub(super) poisson: bool,
    /// Of steps: one after another, and again from the first.
    #[serde(default)]
    pub(super) steps: Vec<RateStep>,
    /// Of sine: "60s".
    pub(super) period: Option<String>,
    /// Of sine: 0 to 1.
    pub(super) amplitude: Option<f64>,
    /// Of spikes: "30s".
    pub(super) every: Option<String>,
    /// Of spikes: how long one lasts, "2s".
    #[serde(rename = "for")]
    pub(super) lasts: Option<String>,
    /// Of spikes: how many times the rate.
    pub(super) times: Option<f64>,
    /// Of trace: a file of `erlmcp record`, beside the workload's own.
    pub(super) file: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ArrivalKind {
    Constant,
    Poisson,
    Steps,
    Sine,
    Spikes,
    Trace,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RateStep {
    /// "10s".
    #[serde(rename = "for")]
    pub(super) lasts: String,
    /// How many times the rate.
    pub(super) times: f64,
}

/// One of one_of, integer, letters and number.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ValueForm {
    #[schemars(with = "Option<Vec<serde_json::Value>>")]
    pub(super) one_of: Option<Vec<toml::Value>>,
    /// From and to, both included.
    pub(super) integer: Option<[i64; 2]>,
    /// So many letters, or from so many to so many.
    pub(super) letters: Option<Letters>,
    /// true: a number that no other request of the run has.
    pub(super) number: Option<bool>,
    /// Drawn for each request (the default), or once for all steps of a session.
    pub(super) per: Option<Per>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Letters {
    Count(i64),
    Between([i64; 2]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Per {
    Request,
    Session,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionForm {
    /// How often it is begun, against the others.
    pub(super) weight: Option<u32>,
    #[schemars(with = "Vec<StepForm>")]
    pub(super) steps: Vec<Spanned<StepForm>>,
    /// From the last step to the client's next session: "30s", or "20s..40s".
    pub(super) rest: Option<String>,
}

/// One of tool, method, resource, prompt and usual.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StepForm {
    /// Its name in the report, where that should not be the method's and the tool's.
    pub(super) name: Option<String>,
    /// Of a `[[request]]` only: how often, against the others.
    pub(super) weight: Option<u32>,
    /// Calls this tool.
    pub(super) tool: Option<String>,
    /// Sends this method: "tools/list".
    pub(super) method: Option<String>,
    /// Reads this resource, by its URI.
    pub(super) resource: Option<String>,
    /// Gets this prompt.
    pub(super) prompt: Option<String>,
    /// true: whatever the load of erlmcp calls on this target, or --tool.
    pub(super) usual: Option<bool>,
    /// Of a tool or prompt. Strings in it may name values: "${name}".
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub(super) arguments: Option<toml::Table>,
    /// So often, one after another.
    pub(super) times: Option<u32>,
    /// Before each: "2s", or "1s..5s".
    pub(super) think: Option<String>,
    /// Limits, as "p99<50ms" or "errors<0.1%".
    #[serde(default)]
    pub(super) expect: Vec<String>,
}

/// The JSON Schema of a workload's file, as JSON.
pub fn workload_schema() -> String {
    let schema = schemars::schema_for!(File);
    let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    format!("{text}\n")
}
