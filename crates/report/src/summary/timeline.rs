use std::collections::BTreeMap;

use super::{State, TimelineLine};
use crate::analysis::{Analysis, PhaseTimes};
use crate::verdict::skipped_phase;

/// One line a phase: those of the plan, in its order.
pub(super) fn timeline(analysis: &Analysis) -> Vec<TimelineLine> {
    let lines = planned(analysis).into_iter().map(|(number, name)| {
        let times = analysis.phases.get(&number);
        TimelineLine {
            phase: number,
            planned_ms: times.map(|times| times.estimated_ms),
            actual_ms: times.and_then(duration_ms),
            state: state(analysis, number, &name),
            title: title(&name),
        }
    });
    lines.collect()
}

/// Number and name of every phase of the plan.
pub(super) fn planned(analysis: &Analysis) -> BTreeMap<u8, String> {
    let config = analysis.config.iter().flat_map(|config| &config.phases);
    let mut planned: BTreeMap<u8, String> = (1..).zip(config.cloned()).collect();
    planned.extend(analysis.phases.iter().map(|(number, times)| (*number, times.name.clone())));
    planned
}

pub(super) fn duration_ms(times: &PhaseTimes) -> Option<u64> {
    Some(times.ended_us?.saturating_sub(times.started_us?) / 1_000)
}

pub(super) fn state(analysis: &Analysis, number: u8, name: &str) -> State {
    if let Some(reason) = skipped_phase(analysis, name) {
        return State::Skipped { reason };
    }
    let has_ended = analysis.phases.get(&number).is_some_and(|times| times.ended_us.is_some());
    if has_ended && analysis.cut_phase() != Some(number) { State::Complete } else { State::Cut }
}

/// A phase's name for people: "ramp_up" is "Ramp Up".
pub(crate) fn title(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    name.split('_').map(capital).collect::<Vec<_>>().join(" ").replace(" And ", " & ")
}
