use std::time::Duration;

use erlmcp_record::names::scenario;

use super::{Body, Stand};
use crate::StressConfig;
use crate::plan::block::{Block, Connect, Load};
use crate::plan::stress::{close_all, phase_of, short_count};
use crate::plan::{Found, Step};

/// Load on each step: a quarter of the sustained load, between these.
const LOAD_MIN: Duration = Duration::from_secs(2);
const LOAD_MAX: Duration = Duration::from_secs(10);

/// Steps of more and more connections, each with the same load: what grows, and how.
pub(super) fn body(config: &StressConfig, _found: &Found) -> Body {
    let sizes = config.steps();
    let duration = (config.duration() / 4).clamp(LOAD_MIN, LOAD_MAX);
    let mut open = 0;
    let mut steps = Vec::new();
    for size in &sizes {
        let name = short_count(*size);
        let connect = Connect { connections: size - open, rate: Some(config.ramp_rate) };
        open = *size;
        let load = Load { rate: config.rate(), duration, line_every: None, shaped: false };
        steps.push(Step::scenario(
            &format!("{}{size}", scenario::SCALE_RAMP),
            &format!("ramp to {name} connections"),
            Block::Connect(connect),
        ));
        steps.push(Step::scenario(
            &format!("{}{size}", scenario::SCALE_LOAD),
            &format!("the same load on {name} connections"),
            Block::Load(load),
        ));
    }
    // Whatever follows is about the run's own number of connections.
    let ends = if open == config.connections() { Stand::Full } else { Stand::Empty };
    if ends == Stand::Empty {
        steps.push(Step::quiet("closing what was opened", close_all(config)));
    }
    let about = sizes.iter().map(|size| short_count(*size)).collect::<Vec<_>>().join(" → ");
    Body { plan: phase_of("Load Scaling", about, steps), begins: Stand::Empty, ends }
}
