//! Phase 6: the target's limits, gone to and over, with a steady load beside it.

use erlmcp_record::names::scenario;

use super::{Body, Stand};
use crate::StressConfig;
use crate::fault::{Fault, Kind};
use crate::plan::stress::{phase_of, window};
use crate::plan::{Block, Found, Step, Visit, Visiting};

/// Connections to a process that has no descriptors for them.
const KNOCKS: u64 = 64;

pub(super) fn body(config: &StressConfig, found: &Found) -> Body {
    let visits = &found.visits;
    let no_faults = config.no_faults.then(|| "--no-faults".to_string());
    let first = found.field.replicas.first().copied().into_iter().collect();
    let starved = Fault::of(Kind::Descriptors, first);
    let held = config.connections() / u64::from(found.replicas.max(1));
    let queue = visits.exhausting.clone().err().or_else(|| found.no_flood(held));
    let descriptors = || visits.exhausting.clone().err().or(found.lacks(Kind::Descriptors)).or(no_faults.clone());
    let step = |name: &str, words: &str, visit: Visit, under: Option<Fault>, skip: Option<String>| {
        let visiting = Visiting { visit, rate: Some(config.rate()), window: window(config), under };
        Step::scenario(name, words, Block::Visiting(visiting)).skipped(skip)
    };
    let has_legacy = found.offers.is_legacy || found.offers.other_era.is_some();
    let no_sessions =
        (!has_legacy).then(|| "the target names no version of the older era, which has the sessions".to_string());
    let exhausting = visits.exhausting.clone().err();
    let steps = vec![
        step(scenario::LIMIT_BODY, "the largest body", Visit::Body, None, None),
        step(scenario::LIMIT_STREAMS, "the streams of a session", Visit::SessionStreams, None, no_sessions),
        step(
            scenario::LIMIT_OPEN_STREAMS,
            "the streams of all clients",
            Visit::OpenStreams { has_sessions: has_legacy },
            None,
            exhausting.clone(),
        ),
        step(scenario::LIMIT_SESSIONS, "sessions that are held", Visit::HeldSessions, None, exhausting),
        step(scenario::LIMIT_QUEUE, "a full queue", Visit::Queue, None, queue),
        step(
            scenario::LIMIT_DESCRIPTORS,
            "no descriptor left",
            Visit::Descriptors { connections: KNOCKS },
            Some(starved),
            descriptors(),
        ),
        step(
            scenario::LIMIT_CONNECTIONS,
            "all connections of a replica",
            Visit::Connections,
            None,
            visits.filling.clone().err(),
        ),
    ];
    let about = "Limits reached and passed, and what others feel of it".to_string();
    Body { plan: phase_of("Resource Limits", about, steps), begins: Stand::Full, ends: Stand::Full }
}
