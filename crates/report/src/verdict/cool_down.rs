use erlmcp_record::names::{finding, phase};

use super::estimate::Estimate;
use super::evidence::Evidence;
use super::judge::Judge;
use crate::analysis::Analysis;

pub(super) fn enter(judge: &mut Judge<'_>) {
    let analysis = judge.analysis;
    let number = analysis.phase_named(phase::COOL_DOWN).map_or(0, |(number, _)| number);
    let agents = match analysis.agents.is_empty() {
        true => Evidence::none("no second has the agents' counts"),
        false => count(analysis.open_now(), "the agents' last counts"),
    };
    judge.enter("cooldown.agents_open_count", agents);
    let gauge = told(analysis, number, &[finding::CLOSING_GAUGE], "the server's gauge");
    // Those of an agent on another machine are not ended by its loss, as those of a process here are.
    let is_beyond = analysis.lost_agents.iter().any(|agent| analysis.joined.has(*agent));
    let why = is_beyond.then_some("an agent that had joined was lost, and nobody here can end its connections");
    judge.enter("cooldown.server_open_count", gauge.spoiled(why));
    let leftovers = [finding::LEFTOVER_PROCESSES, finding::LEFTOVER_FAULTS];
    judge.enter(
        "cooldown.leftovers_count",
        told(analysis, number, &leftovers, "processes and faults of the run, looked for"),
    );
}

fn count(count: u64, source: &str) -> Evidence {
    Evidence::of(Some(Estimate::count(count)), 1, "runs", source)
}

/// The sum of some findings; no data where one of them is missing.
fn told(analysis: &Analysis, number: u8, names: &[&str], source: &str) -> Evidence {
    let mut sum = 0;
    let mut notes = Vec::new();
    for name in names {
        let Some(row) = analysis.finding(number, name) else { return Evidence::none("it was not looked for") };
        match row.value {
            Some(value) => sum += value.max(0.0) as u64,
            None => return Evidence::none(row.note.clone().unwrap_or_else(|| "it could not be found out".into())),
        }
        notes.extend(row.note.clone().filter(|_| row.value > Some(0.0)));
    }
    let notes: String = notes.iter().map(|note| format!(": {note}")).collect();
    count(sum, &format!("{source}{notes}"))
}
