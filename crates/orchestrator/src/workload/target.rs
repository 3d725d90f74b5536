//! Has the target what a workload asks for?

use std::collections::BTreeSet;

use erlmcp_load::proto::{Reached, Wanted};

use super::{Asks, Step, Workload};
use erlmcp_report::nearest;

/// What clients may ask for by a method alone, in one of the eras.
const METHODS: [&str; 8] = [
    "server/discover",
    "ping",
    "tools/list",
    "resources/list",
    "resources/templates/list",
    "prompts/list",
    "tasks/list",
    "operation/status",
];
/// A target that lists so many tools may have more.
const LISTED_MAX: usize = 1_000;

impl Workload {
    /// What the target is to be asked for before the run, beside its tools.
    pub(crate) fn wanted(&self) -> Wanted {
        let of = |kind: &str| -> Vec<String> {
            let named = self.steps.iter().filter_map(|step| step.asks.names()).filter(|(of, _)| *of == kind);
            let names: BTreeSet<&str> = named.map(|(_, name)| name).collect();
            names.into_iter().map(str::to_string).collect()
        };
        Wanted { resources: of("resource"), prompts: of("prompt"), methods: of("method"), offers: false }
    }

    /// # Errors
    /// What the target does not have, with its line in the file: one sentence.
    pub(super) fn check_target(&self, reached: &Reached) -> Result<(), String> {
        let absent = self.steps.iter().find_map(|step| Some((step, absent(step, reached)?)));
        let Some((step, (kind, name, instead))) = absent else { return Ok(()) };
        let line = step.line.map_or_else(|| ", its trace".to_string(), |line| format!(", line {line}"));
        Err(format!("{}{line}: the target has no {kind} {name:?}: {instead}", self.name))
    }
}

impl Asks {
    /// The kind of what it asks for, and its name; None: whatever the load calls.
    fn names(&self) -> Option<(&'static str, &str)> {
        let Self::Method { method, name, .. } = self else { return None };
        Some(match method.as_str() {
            "tools/call" => ("tool", name),
            "resources/read" => ("resource", name),
            "prompts/get" => ("prompt", name),
            method => ("method", method),
        })
    }
}

/// Kind, name, and what there is in its place.
fn absent<'a>(step: &'a Step, reached: &Reached) -> Option<(&'static str, &'a str, String)> {
    let (kind, name) = step.asks.names()?;
    if kind == "tool" {
        let mut tools = reached.tools.iter().map(|tool| tool.name.as_str());
        let is_there = tools.clone().any(|tool| tool == name) || reached.tools.len() >= LISTED_MAX;
        return (!is_there).then(|| (kind, name, nearest::instead(name, &mut tools)));
    }
    let missing = reached.missing.iter().find(|missing| missing.kind == kind && missing.name == name)?;
    let instead = match kind {
        "method" => {
            let others = METHODS.into_iter().filter(|method| *method != name);
            let told = nearest::instead(name, others);
            if told.starts_with("did you mean") { told } else { "it answers that it does not know it".into() }
        }
        _ => nearest::instead(name, missing.known.iter().map(String::as_str)),
    };
    Some((kind, name, instead))
}
