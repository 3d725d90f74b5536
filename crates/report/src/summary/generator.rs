use std::collections::BTreeMap;

use erlmcp_record::{AgentSample, Dialogue};

use super::{Figure, Generator, Value, phases};
use crate::analysis::{Analysis, Part, Window};
use crate::facts::{Facts, NO_WINDOW};
use crate::format;
use crate::suite::Drift;
use crate::verdict::proxy_was_busy;

/// From here on a clock that is off is worth a word: a tenth of the slots that availability is counted in.
const CLOCKS_APART_US: u64 = 10_000;

/// What the agents' own samples come to, over the sustained window, else over the whole run.
#[derive(Default)]
struct Agents {
    samples: u64,
    /// The mean of the busiest agent, in percent of one core.
    cpu_percent: f64,
    cpu_percent_all: f64,
    run_delay_percent: f64,
    longest_stall_us: u64,
    descriptors: u64,
    descriptors_limit: u64,
}

/// What the generator saw of itself, and what to do about it.
pub(super) fn generator(analysis: &Analysis, facts: &Facts<'_>) -> Generator {
    let window = facts.sustained.as_ref().and_then(|found| found.window);
    let agents = agents(analysis, window);
    let empty = Part::default();
    let (part, none) = match &facts.sustained {
        Some(found) if found.window.is_some() => (&found.judged, "no load was sent in the window"),
        Some(_) => (&empty, NO_WINDOW),
        None => (&empty, "no sustained load was run"),
    };
    let all = analysis.part(false, |_| true);
    let not_told = "the agents did not report";
    let told = |value: Value| if agents.samples > 0 { value } else { Value::NotMeasured(not_told.into()) };
    let mut figures = vec![
        Figure::new("send_lag_p99_ms", phases::quantile(&part.send_lag, 0.99, none)),
        Figure::new("send_lag_max_ms", phases::quantile(&part.send_lag, 1.0, none)),
        Figure::new("receive_lag_p99_ms", phases::quantile(&part.receive_lag, 0.99, none)),
        Figure::new("unsent_by_generator", Value::Count(all.unsent_by_generator())),
        Figure::new(
            "agents",
            Value::or(analysis.config.as_ref().map(|config| u64::from(config.agents)), Value::Count, not_told),
        ),
        Figure::new("agent_cpu_percent_max", told(Value::Percent(agents.cpu_percent))),
        Figure::new("agents_cpu_percent_all", told(Value::Percent(agents.cpu_percent_all))),
        Figure::new("agent_run_delay_percent_max", told(Value::Percent(agents.run_delay_percent))),
        Figure::new("agent_longest_stall_ms", told(Value::Ms(agents.longest_stall_us as f64 / 1e3))),
        Figure::new(
            "agent_descriptors_max",
            told(Value::Share { part: agents.descriptors, whole: agents.descriptors_limit }),
        ),
    ];
    figures.extend(memory(analysis, window));
    figures.extend([
        Figure::new("steal_percent", steal(analysis, window)),
        Figure::new("machine_time_waits_max", Value::or(time_waits(analysis), Value::Count, "sockstat was not read")),
        Figure::new(
            "colocated_target",
            Value::or(analysis.config.as_ref().map(|config| config.colocated), Value::Flag, not_told),
        ),
    ]);
    figures.extend(
        analysis.proxy_cpu_percent().map(|cpu| Figure::new("fault_proxy_cpu_percent_max", Value::Percent(cpu))),
    );
    figures.extend(joined(analysis));
    figures.extend(dialogue(&all.dialogue));
    Generator { advice: advice(analysis, part, &all, &agents), figures }
}

/// Of agents that were started elsewhere: where they ran, and how well their clocks are known.
fn joined(analysis: &Analysis) -> Vec<Figure> {
    let Some(worst) = analysis.joined.worst else { return Vec::new() };
    vec![
        Figure::new("agents_joined_from", Value::Text(analysis.joined.hosts().join(", "))),
        Figure::new("agent_clock_off_ms_max", Value::Ms(worst.off_us as f64 / 1e3)),
        Figure::new("agent_clock_uncertainty_ms", Value::Ms(worst.uncertainty_us as f64 / 1e3)),
    ]
}

/// What the target wanted of its clients beside their requests, in one line; none where it wanted nothing.
fn dialogue(found: &Dialogue) -> Option<Figure> {
    let asked = found.answered.iter().map(|(kind, count)| (format!("{kind} requests answered"), *count));
    let others = [
        ("server requests not answered".to_string(), found.unanswered),
        ("further rounds".into(), found.rounds),
        ("streams resumed".into(), found.resumed),
    ];
    let words: Vec<String> = asked
        .chain(others)
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| format!("{} {what}", format::count(count)))
        .collect();
    (!words.is_empty()).then(|| Figure::new("dialogue", Value::Text(words.join(", "))))
}

fn agents(analysis: &Analysis, window: Option<Window>) -> Agents {
    let window = window.unwrap_or(Window { from: 0, to: u32::MAX });
    let mut by_agent: BTreeMap<u32, Vec<&AgentSample>> = BTreeMap::new();
    for sample in analysis.seconds_in(window).flat_map(|(_, second)| &second.agents) {
        by_agent.entry(sample.agent).or_default().push(sample);
    }
    let mut found = Agents::default();
    for samples in by_agent.values() {
        let mean = |of: fn(&AgentSample) -> u64| {
            samples.iter().map(|sample| of(sample)).sum::<u64>() as f64 / samples.len().max(1) as f64 / 10_000.0
        };
        let most = |of: fn(&AgentSample) -> u64| samples.iter().map(|sample| of(sample)).max().unwrap_or(0);
        let cpu = mean(|sample| sample.cpu_us);
        found.samples += samples.len() as u64;
        found.cpu_percent = found.cpu_percent.max(cpu);
        found.cpu_percent_all += cpu;
        found.run_delay_percent = found.run_delay_percent.max(mean(|sample| sample.run_delay_us));
        found.longest_stall_us = found.longest_stall_us.max(most(|sample| sample.longest_stall_us));
        found.descriptors = found.descriptors.max(most(|sample| sample.descriptors));
        found.descriptors_limit = found.descriptors_limit.max(most(|sample| sample.descriptors_limit));
    }
    found
}

/// Resident memory of all agents together and of the process that drives them: the most, and how it went.
fn memory(analysis: &Analysis, window: Option<Window>) -> Vec<Figure> {
    let window = window.unwrap_or(Window { from: 0, to: u32::MAX });
    let seconds = || analysis.seconds_in(window).map(|(at, second)| (f64::from(at), second.tester_memory()));
    let agents = seconds().map(|(_, told)| told.agents).max().unwrap_or(0);
    // A second that one of them did not tell of would look as if memory had been given back.
    let of_agents = seconds()
        .filter(|(_, told)| agents > 0 && told.agents == agents)
        .map(|(at, told)| (at, told.agents_bytes as f64));
    let of_run = seconds().filter_map(|(at, told)| Some((at, told.orchestrator_bytes? as f64)));
    let figures = |name: &str, points: Vec<(f64, f64)>| {
        let most = points.iter().map(|point| point.1).max_by(f64::total_cmp);
        let most = Value::or(most, Value::Bytes, "it was not read");
        let drift = Drift::of(points, analysis.seed());
        [
            Figure::new(format!("{name}_memory_bytes_max"), most),
            drift.figure(&format!("{name}_memory_drift"), (1e6, "MB/min")),
        ]
    };
    [figures("agents", of_agents.collect()), figures("orchestrator", of_run.collect())].concat()
}

/// CPU time that others took from this machine, in percent of all its cores.
fn steal(analysis: &Analysis, window: Option<Window>) -> Value {
    let window = window.unwrap_or(Window { from: 0, to: u32::MAX });
    let samples = analysis.seconds_in(window).filter_map(|(_, second)| second.cluster.as_ref());
    let points: Vec<(u64, u64)> = samples.filter_map(|sample| Some((sample.at_us, sample.kernel.steal_us?))).collect();
    let cores = analysis.header.as_ref().map_or(1, |header| header.machine.cores.max(1));
    let share = points.first().zip(points.last()).and_then(|(first, last)| {
        let elapsed_us = last.0.checked_sub(first.0).filter(|us| *us > 0)?;
        Some(last.1.saturating_sub(first.1) as f64 * 100.0 / (elapsed_us as f64 * f64::from(cores)))
    });
    Value::or(share, Value::Percent, "the machine's steal time was not read")
}

fn time_waits(analysis: &Analysis) -> Option<u64> {
    analysis.seconds.values().filter_map(|second| second.cluster.as_ref()?.kernel.time_waits).max()
}

/// What to do, where the generator came near its limits.
fn advice(analysis: &Analysis, part: &Part, all: &Part, agents: &Agents) -> Vec<String> {
    let colocated = analysis.config.as_ref().is_some_and(|config| config.colocated);
    let mut advice = Vec::new();
    let unsent = all.unsent_by_generator();
    if unsent > 0 {
        let unsent = format::count(unsent);
        advice.push(format!(
            "{unsent} requests were not sent by the generator itself: use more --agents, or a lower --rate"
        ));
    }
    for (name, hist) in [("send", &part.send_lag), ("receive", &part.receive_lag)] {
        let Some(us) = hist.as_ref().and_then(|hist| hist.quantile_us(0.99)).filter(|us| *us > 10_000) else {
            continue;
        };
        let lag = format::ms(us as f64 / 1e3);
        advice.push(format!(
            "The {name} lag was {lag} at P99: latencies are inflated by it. Use more --agents, or a lower --rate"
        ));
    }
    if agents.cpu_percent > 90.0 {
        advice.push(format!("An agent used {:.0} % of a core: use more --agents", agents.cpu_percent));
    }
    if agents.run_delay_percent > 10.0 {
        let share = agents.run_delay_percent;
        let instead = if colocated { "; the target shares this machine: give it another one" } else { "" };
        advice.push(format!(
            "An agent waited for a core {share:.0} % of the time: this machine is too small for the load{instead}"
        ));
    }
    if let Some(worst) = analysis.joined.worst.filter(|worst| worst.at_most_us() > CLOCKS_APART_US) {
        advice.push(format!(
            "The clock of agent {} was up to {} from the run's: figures that compare its times with those of faults are \
             wrong by as much; keep the machines' clocks with NTP",
            worst.agent,
            format::ms(worst.at_most_us() as f64 / 1e3)
        ));
    }
    advice.extend(proxy_was_busy(analysis));
    if agents.descriptors_limit > 0 && agents.descriptors * 10 >= agents.descriptors_limit * 9 {
        advice.push("An agent used over 90 % of its descriptors: raise ulimit -n, or use more --agents".into());
    }
    advice
}

#[cfg(test)]
mod tests {
    use erlmcp_record::{ClusterSample, Entry};

    use super::*;
    use crate::analysis::WHOLE_S;

    #[test]
    fn the_memory_of_a_long_load_is_that_of_each_of_its_seconds() {
        let mut analysis = Analysis::of_long_load();
        for second in (0..200).chain([WHOLE_S + 200]) {
            // The agents' peaks are in two seconds of a minute, neither of which keeps the minute's samples.
            for (agent, peak) in [(1, 95), (2, 110)] {
                let rss_bytes = if second == peak { 9_000_000 } else { 1_000_000 };
                analysis.push(&Entry::Agent(AgentSample { agent, second, rss_bytes, ..AgentSample::default() }));
            }
            let bytes = if second == 100 { 70_000_000 } else { 50_000_000 };
            analysis.push(&Entry::Cluster(ClusterSample {
                second,
                orchestrator_rss_bytes: Some(bytes),
                ..ClusterSample::default()
            }));
        }
        assert!(analysis.seconds[&100].agents.is_empty(), "it is folded");
        let found = memory(&analysis, Some(Window { from: 10, to: 200 }));
        let most = |name: &str| found.iter().find(|figure| figure.name == name).map(|figure| &figure.value);
        assert_eq!(most("agents_memory_bytes_max"), Some(&Value::Bytes(10e6)));
        assert_eq!(most("orchestrator_memory_bytes_max"), Some(&Value::Bytes(70e6)));
        // Four minutes are too few for a drift; 190 seconds are not.
        assert!(matches!(most("agents_memory_drift"), Some(Value::Text(_))), "{found:?}");
    }
}
