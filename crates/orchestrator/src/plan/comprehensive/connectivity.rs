use super::{Body, Stand};
use crate::StressConfig;
use crate::plan::block::{Block, Probe};
use crate::plan::stress::{SEQUENTIAL_REQUESTS, phase_of, warm_up};
use crate::plan::{Found, Step};

/// Knocks at all addresses together, at least: their median is judged.
const KNOCKS_MIN: u32 = 60;
/// At each address, at least and at most.
const KNOCKS_EACH: (u32, u32) = (5, 30);

pub(super) fn body(config: &StressConfig, found: &Found) -> Body {
    let endpoints = u32::from(found.replicas).max(1);
    let knocks = KNOCKS_MIN.div_ceil(endpoints).clamp(KNOCKS_EACH.0, KNOCKS_EACH.1);
    let mut steps = vec![
        Step::new("target reachability", Block::Probe(Probe::Reachability)),
        Step::new("every endpoint", Block::Probe(Probe::Endpoints { knocks })),
        Step::new("warm latency", Block::Probe(Probe::Sequential { count: SEQUENTIAL_REQUESTS })),
        Step::new("connection pool", Block::Probe(Probe::Readiness)),
        Step::new("metrics collection", Block::Probe(Probe::Metrics)),
    ];
    steps.extend(warm_up(config, found));
    let plan = phase_of("Connectivity & Baseline", "Every endpoint, and latency at rest".into(), steps);
    Body { plan, begins: Stand::Empty, ends: Stand::Empty }
}
