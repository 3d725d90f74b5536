//! From a workload to what agents are told.

use erlmcp_load::proto::{self, Reached, Request};
use erlmcp_load::{MESSAGE_BYTES_MAX, workload_bytes};

use super::trace::TraceFile;
use super::{Arrival, Asks, Misbehaving, Value, ValueOf, Workload};
use crate::StressError;

/// What is told of the same calls beside the workload.
const BESIDE_BYTES: usize = 1 << 20;

/// A workload as agents are told it, and what the run must know of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Compiled {
    /// Without its trace, of which each agent has a part.
    told: proto::Workload,
    pub(crate) arrival: Arrival,
    pub(crate) misbehaving: Vec<Misbehaving>,
}

impl Workload {
    /// With the call that the load makes where no workload is given.
    ///
    /// # Errors
    /// Where the target has not what a step needs.
    pub(crate) fn compile(&self, usual: &Request, reached: &Reached) -> Result<Compiled, StressError> {
        self.check_target(reached).map_err(StressError::Lacking)?;
        let mut steps = Vec::new();
        for step in &self.steps {
            let request = match &step.asks {
                Asks::Usual => usual.clone(),
                Asks::Method { method, name, arguments } => Request {
                    method: method.clone(),
                    name: name.clone(),
                    arguments: arguments.clone(),
                    with_progress: false,
                },
            };
            steps.push(proto::Step {
                request: Some(request),
                class: step.class as u32 + 1,
                think_min_us: step.think.0.as_micros() as u64,
                think_max_us: step.think.1.as_micros() as u64,
            });
        }
        let session = |session: &super::Session| proto::Session {
            weight: session.weight,
            first: session.first as u32,
            steps: session.count as u32,
        };
        let sessions = self.sessions.iter().map(session).collect();
        let told = proto::Workload { steps, sessions, values: self.values.iter().map(value).collect(), trace: None };
        Ok(Compiled { told, arrival: self.arrival.clone(), misbehaving: self.misbehaving.clone() })
    }

    /// As a report says what was called: "tools/call" first where that is among it, which readiness asks for.
    pub(crate) fn label(&self, usual: &str) -> String {
        let calls_tools = self.steps.iter().any(|step| match &step.asks {
            Asks::Usual => usual.starts_with("tools/call"),
            Asks::Method { method, .. } => method == "tools/call",
        });
        let what = if calls_tools { "tools/call and others of " } else { "" };
        format!("{what}the workload {}", self.name)
    }
}

impl Compiled {
    /// What agent `index` of so many is told.
    pub(crate) fn told(&self, agents: u32, index: u32) -> proto::Workload {
        let part = |trace: &TraceFile| trace.part(agents, index);
        proto::Workload { trace: self.arrival.trace().map(part), ..self.told.clone() }
    }

    /// # Errors
    /// Where one of so many agents would be told more than it takes.
    pub(crate) fn check_size(&self, agents: u32) -> Result<(), StressError> {
        let bytes = (0..agents).map(|index| workload_bytes(&self.told(agents, index)) + BESIDE_BYTES).max();
        if bytes.is_none_or(|bytes| bytes <= MESSAGE_BYTES_MAX) {
            return Ok(());
        }
        let most = (MESSAGE_BYTES_MAX - BESIDE_BYTES) >> 20;
        Err(StressError::usage(format!(
            "the workload has more than the {most} MiB that an agent can be told: write shorter arguments or fewer different \
             ones, cut its trace, or add --agents"
        )))
    }
}

fn value(value: &Value) -> proto::Value {
    use proto::value::Of;
    let of = match &value.of {
        ValueOf::Choices(json) => Of::Choices(proto::Choices { json: json.clone() }),
        ValueOf::Integer(from, to) => Of::Integer(proto::Span { from: *from, to: *to }),
        ValueOf::Letters(from, to) => Of::Letters(proto::Span { from: *from, to: *to }),
        ValueOf::Number => Of::Number(true),
    };
    proto::Value { of_session: value.of_session, of: Some(of) }
}
