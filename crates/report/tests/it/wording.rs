//! What the views say where something is missing, was left out, or is told twice.

use erlmcp_record::names::{detail, finding, phase, scenario};
use erlmcp_record::{Entry, ScenarioRow};
use erlmcp_report::{Summary, Value, render};

use crate::check;
use crate::story::{LOAD_FROM, Story, analysis};

const NO_WINDOW: &str = "no whole second was left after the warm-up";

fn not_measured(why: &str) -> Option<Value> {
    Some(Value::NotMeasured(why.into()))
}

/// A figure of the "real performance numbers" whose name begins so.
fn number(summary: &Summary, name: &str) -> Option<Value> {
    let mut figures = summary.numbers.iter().flat_map(|section| &section.figures);
    figures.find(|figure| figure.name.starts_with(name)).map(|figure| figure.value.clone())
}

/// The figure of a scenario, the short form's among them.
fn of_scenario(summary: &Summary, phase: &str, name: &str, figure: &str) -> Option<Value> {
    let phase = summary.phases.iter().find(|found| found.name == phase)?;
    let result = phase.scenarios.iter().find(|result| result.name == name)?;
    let mut all = std::iter::once(&result.figure).chain(&result.figures);
    all.find(|found| found.name == figure).map(|found| found.value.clone())
}

fn whole() -> Story {
    let mut story = Story::whole();
    story.seconds = 70;
    story
}

#[test]
fn kernel_memory_that_did_not_grow_is_not_zero() {
    let story = Story::short().with_sample(|_, sample| {
        sample.kernel.socket_slab_bytes = Some(50_000_000);
        sample.kernel.tcp_memory_bytes = Some(1_000_000);
    });
    let why = "the machine's kernel memory did not grow with the connections";
    assert_eq!(number(&story.summary(), "Kernel Memory per Connection (machine-wide"), not_measured(why));
}

#[test]
fn without_a_window_every_figure_of_it_says_so() {
    let mut story = Story::short();
    story.interrupted_after = Some(4);
    let analysis = analysis(&story.rows());
    let summary = analysis.summary();
    for name in ["p95_latency_ms", "error_rate_percent", "connections_held_min", "connections_server_min"] {
        assert_eq!(summary.figure(phase::SUSTAINED_LOAD, name).cloned(), not_measured(NO_WINDOW), "{name}");
    }
    let sweep = summary.figure(phase::SUSTAINED_LOAD, "sweep_answered_percent").cloned();
    assert_eq!(sweep, not_measured("the closing sweep was not reached"));
    for name in ["P95 Latency", "Total Cluster Throughput", "Total Memory", "Connections Sustained"] {
        assert_eq!(number(&summary, name), not_measured(NO_WINDOW), "{name}");
    }
    // The lines after the phase and the verdict rest on the same.
    assert_eq!(check(&summary, "sla.p95_ms").actual(), "not measured");
    let lines = analysis.phase_summary(3).join("\n");
    assert!(lines.contains(&format!("  P95 latency: not measured ({NO_WINDOW})\n")), "{lines}");
    assert!(!lines.contains(")%"), "no unit stands behind words: {lines}");
}

#[test]
fn samples_are_counted_alike_while_the_run_goes_on() {
    let rows = Story::short().rows();
    let ends = |row: &Entry| matches!(row, Entry::Phase(row) if row.phase == 3 && row.at_us > 20_000_000);
    let until = rows.iter().position(ends).expect("the load ends");
    let of = |rows: &[Entry]| analysis(rows).summary().figure(phase::SUSTAINED_LOAD, "metrics_count").cloned();
    assert_eq!(of(&rows[..=until]), of(&rows));
    assert!(matches!(of(&rows), Some(Value::Count(1..))));
}

#[test]
fn a_cool_down_counts_what_it_closed_itself() {
    let mut rows = whole().rows();
    for row in &mut rows {
        if let Entry::Finding(row) = row
            && row.name == finding::CONNECTIONS_CLOSED
        {
            row.note = Some("closed by the graceful cool-down before".into());
        }
    }
    let summary = analysis(&rows).summary();
    let figure = |name: &str| summary.figure(phase::COOL_DOWN, name).cloned();
    assert_eq!(figure("connections_closed"), Some(Value::Count(0)));
    assert_eq!(figure("closed_with"), not_measured("no connection was left to close"));
    assert_eq!(figure("closed_by_gradual_cooldown"), Some(Value::Count(3_000)));
}

#[test]
fn the_time_back_to_steady_is_the_one_that_was_told() {
    let mut rows = whole().rows();
    for row in &mut rows {
        match row {
            Entry::Scenario(row) if row.name == scenario::BURST_TRAFFIC => {
                row.detail.insert(detail::STEADY_AGAIN_MS.into(), 1_900.0);
            }
            Entry::Fault(row) if row.scenario == scenario::QUEUE_OVERFLOW => {
                row.heal_verified_us = row.healed_us.map(|us| us + 2_300_000);
            }
            _ => {}
        }
    }
    let summary = analysis(&rows).summary();
    let burst = of_scenario(&summary, phase::PERFORMANCE_SCENARIOS, scenario::BURST_TRAFFIC, "steady_again_ms");
    assert_eq!(burst, Some(Value::Ms(1_900.0)));
    let overflow = of_scenario(&summary, phase::FAILURE_RECOVERY, scenario::QUEUE_OVERFLOW, "recovered_ms");
    assert_eq!(overflow, Some(Value::Ms(2_300.0)));
}

#[test]
fn a_scenario_s_figure_is_the_one_that_is_judged() {
    let summary = whole().summary();
    for (name, id, figure) in [
        (scenario::NODE_FAILURE, "recovery.node_ms", "recovered_ms"),
        (scenario::NETWORK_PARTITION, "recovery.partition_detection_ms", "detected_ms"),
    ] {
        let judged = check(&summary, id).estimate.map(Value::Ms);
        assert_eq!(of_scenario(&summary, phase::FAILURE_RECOVERY, name, figure), judged, "{name}");
    }
}

#[test]
fn what_was_skipped_with_its_phase_has_the_phase_s_reason_and_rests_on_nothing() {
    let mut rows = Story::short().rows();
    let at = rows.len() - 1;
    rows.insert(
        at,
        Entry::Scenario(ScenarioRow {
            phase: 4,
            name: scenario::NODE_FAILURE.into(),
            started_us: 1,
            ended_us: 1,
            skipped: Some("--no-faults".into()),
            inconclusive: None,
            faults: Vec::new(),
            blocks: Vec::new(),
            detail: Default::default(),
        }),
    );
    let summary = analysis(&rows).summary();
    let phase = summary.phases.iter().find(|found| found.phase == 4).expect("a phase");
    assert_eq!(phase.scenarios[0].reason.as_deref(), Some("left out by --phases"));
    assert!(!summary.readiness.rests_on.iter().any(|method| method.starts_with("Queue scenarios")));
    assert!(render::markdown(&summary).contains("| Failure scenarios | 0 of 3 run, all skipped |"));
}

#[test]
fn the_largest_latency_is_one_number_in_every_view() {
    let story = Story::short().with_load(|at, load| {
        if at == 20 {
            load.slow.push((5_000_000, 3));
        }
    });
    let rows = story.rows();
    let mut folded = analysis(&rows);
    let max = folded.summary().figure(phase::SUSTAINED_LOAD, "max_latency_ms").cloned();
    let seconds = folded.take_rest();
    let by_second = seconds.iter().filter_map(|second| second.max_ms).reduce(f64::max);
    assert_eq!(by_second.map(Value::Ms), max);
    // After the seconds were closed, what is kept of them is coarse; their largest is not.
    let span = folded.span(LOAD_FROM, LOAD_FROM + 70);
    assert_eq!(span.max_ms.map(Value::Ms), max);
    assert!(span.p99_ms <= span.max_ms);
}
