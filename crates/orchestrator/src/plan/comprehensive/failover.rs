//! Phase 7: replicas that end, one after another, two and all at once; a rolling restart; more replicas and fewer.

use std::time::Duration;

use erlmcp_record::names::scenario;

use super::{Body, Stand};
use crate::StressConfig;
use crate::fault::{Fault, Kind, Planned, When, mix};
use crate::plan::stress::{phase_of, window};
use crate::plan::{Block, Faults, Found, Scaling, Step};

/// Kills one after another.
const IN_TURN: usize = 3;
/// Replicas more, for a while: as many as a third of those that there are.
const MORE: u16 = 3;
const GAP: Duration = Duration::from_secs(1);
const EACH: Duration = Duration::from_secs(40);
const SCALED_WITHIN: Duration = Duration::from_secs(60);

pub(super) fn body(config: &StressConfig, found: &Found) -> Body {
    let (replicas, held) = (&found.field.replicas, found.field.held());
    let count = held.len();
    let first = mix(found.seed ^ 0xFA11) as usize % count.max(1);
    // In turn, so that none ends so often that its cluster gives it up.
    let some = |from: usize, some: usize| -> Vec<u16> {
        (0..some.min(count)).map(|index| held[(first + from + index) % count.max(1)]).collect()
    };
    let one = |at: usize| Fault::of(Kind::Kill, some(at, 1));
    let in_turn = (0..IN_TURN.min(count)).map(one).collect();
    let two = vec![Fault::of(Kind::Kill, some(IN_TURN, 2))];
    let all = vec![Fault::of(Kind::Kill, replicas.clone())];
    let rolling = vec![Fault::of(Kind::RollingRestart, replicas.clone())];
    let no_kill = found.lacks(Kind::Kill).or(config.no_faults.then(|| "--no-faults".into()));
    let no_rolling = no_kill.clone().or(found.lacks(Kind::RollingRestart));
    let few = |least: usize| (replicas.len() < least).then(|| format!("it takes {least} replicas"));
    let unheld = || found.field.unheld(replicas);
    let broken = |name: &str, words: &str, faults: Vec<Fault>, skip: Option<String>| {
        Step::scenario(name, words, Block::Faults(of(name, faults, config, found))).skipped(skip)
    };
    let steps = vec![
        broken(scenario::KILLS_IN_TURN, "kills, one after another", in_turn, no_kill.clone()),
        broken(
            scenario::TWO_AT_ONCE,
            "two killed at once",
            two,
            no_kill.clone().or(few(3)).or_else(|| unheld().filter(|_| count < 2)),
        ),
        broken(scenario::ALL_AT_ONCE, "all killed at once", all, no_kill.clone().or_else(unheld)),
        broken(scenario::ROLLING_RESTART, "rolling restart", rolling, no_rolling.or(few(2)).or_else(unheld)),
        scaling(config, found).skipped(found.lacks(Kind::Kill).or_else(|| found.cannot_scale.clone())),
    ];
    let about = "Replicas end, restart and change in number under load".to_string();
    Body { plan: phase_of("Failover & Recovery", about, steps), begins: Stand::Full, ends: Stand::Full }
}

fn of(scenario: &str, faults: Vec<Fault>, config: &StressConfig, found: &Found) -> Faults {
    let planned = faults.into_iter().map(|fault| Planned { fault, when: When::After(GAP), skip: None });
    let planned: Vec<Planned> = planned.collect();
    Faults {
        scenario: scenario.into(),
        ends_with_last: true,
        spread_over: found.field.replicas.clone(),
        rate: config.rate(),
        duration: EACH * planned.len() as u32,
        window: window(config).max(Duration::from_secs(3)),
        planned,
        at_once: 1,
        replicas: found.replicas,
        line_every: None,
        changes: None,
    }
}

/// 12 replicas become 16, and 12 again.
fn scaling(config: &StressConfig, found: &Found) -> Step {
    let more = found.replicas + found.replicas.div_ceil(MORE);
    let plan = Scaling {
        rate: config.rate(),
        window: window(config).max(Duration::from_secs(5)),
        replicas: vec![more, found.replicas],
        bound: SCALED_WITHIN,
        move_rate: config.ramp_rate / 2.0,
        moves: config.connections() * u64::from(more - found.replicas) / u64::from(more.max(1)),
    };
    Step::scenario(scenario::SCALING, "more replicas and fewer again", Block::Scaling(plan))
}
