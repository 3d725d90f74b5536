//! Phase 8: the parts of the server, driven one by one at a target that does nothing else, and what it counted of that.

use std::time::Duration;

use erlmcp_record::names::scenario;

use super::{Body, Stand};
use crate::StressConfig;
use crate::plan::stress::phase_of;
use crate::plan::{Block, Found, Step, Visit, Visiting};

/// Sizes of the registry.
const TOOLS: [u64; 3] = [10, 1_000, 10_000];
/// Streams that changes are told to.
const STREAMS: u64 = 240;

pub(super) fn body(_config: &StressConfig, found: &Found) -> Body {
    let parts = found.visits.parts.clone().err();
    let queue = parts.clone().or_else(|| found.no_flood(0));
    let step = |name: &str, words: &str, visit: Visit, skip: &Option<String>| {
        let visiting = Visiting { visit, rate: None, window: Duration::ZERO, under: None };
        Step::scenario(name, words, Block::Visiting(visiting)).skipped(skip.clone())
    };
    let mut steps: Vec<Step> = TOOLS
        .iter()
        .map(|tools| {
            let (name, words) = (format!("{}{tools}", scenario::REGISTRY), format!("a registry of {tools} tools"));
            step(&name, &words, Visit::Registry { tools: *tools }, &parts)
        })
        .collect();
    steps.extend([
        step(scenario::ROUTER, "the router", Visit::Router, &parts),
        step(scenario::QUEUE_AND_WORKERS, "queue, workers and refusals", Visit::Queue, &queue),
        step(scenario::BATCHING, "batches", Visit::Batches, &parts),
        step(scenario::SESSION_TOKENS, "tokens of sessions", Visit::Tokens, &parts),
        step(scenario::FAN_OUT, "changes told to streams", Visit::FanOut { streams: STREAMS }, &parts),
    ]);
    let about = "What the server counts of its parts, against what was seen".to_string();
    Body { plan: phase_of("Component Integration", about, steps), begins: Stand::Empty, ends: Stand::Empty }
}
