//! Every view, from fixed records.

use erlmcp_record::Fate;
use erlmcp_report::live::{self, Event, PlannedPhase};
use erlmcp_report::{Summary, render};

use crate::story::{LOAD_FROM, Story, analysis};

/// What libraries of mathematics may differ in is left out: numbers to six digits.
fn rounded(json: &str) -> String {
    let mut value: serde_json::Value = serde_json::from_str(json).expect("a report is JSON");
    round(&mut value);
    serde_json::to_string_pretty(&value).expect("JSON can be written")
}

fn round(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Array(values) => values.iter_mut().for_each(round),
        serde_json::Value::Object(values) => values.values_mut().for_each(round),
        serde_json::Value::Number(number) if number.is_f64() => {
            let short = number.as_f64().map(|number| format!("{number:.6e}"));
            *value = short.and_then(|short| short.parse::<f64>().ok()).into();
        }
        _ => {}
    }
}

#[test]
fn a_passing_run() {
    let rows = Story::whole().rows();
    let mut analysis = analysis(&rows);
    let summary = analysis.summary();
    insta::assert_snapshot!("passing_console", render::console(&summary));
    insta::assert_snapshot!("passing_markdown", render::markdown(&summary));
    insta::assert_snapshot!("passing_json", rounded(&render::json(&summary)));

    let phases: Vec<String> = (1..=6).map(|phase| analysis.phase_summary(phase).join("\n")).collect();
    insta::assert_snapshot!("passing_phase_summaries", phases.join("\n\n"));
    let span = analysis.span(LOAD_FROM, LOAD_FROM + 30);
    let line = live::console(&Event::SustainedLine { elapsed_s: 30, span: span.clone() });
    insta::assert_snapshot!("passing_lines", line + &span.log_line(LOAD_FROM + 30, "sustained_load"));

    // The first with connections, one of the load, the one in which a replica was killed.
    let seconds = analysis.take_rest();
    let killed = seconds.iter().position(|second| !second.faults.is_empty()).expect("a second with a fault");
    let lines: String = [4, 40, killed].iter().map(|at| seconds[*at].to_json_line()).collect();
    insta::assert_snapshot!("passing_metrics", lines);
}

#[test]
fn a_failing_run() {
    let story = Story::short()
        .with_threshold("sla.throughput_rps", 11_000.0)
        .with_load(|_, load| {
            load.ok -= 12;
            load.others.extend([(Fate::HttpError, 10), (Fate::TimedOut, 2)]);
            load.slow.push((140_000, 1_000));
        })
        .with_sample(|second, sample| {
            sample.replicas[0].longest_stall_us = Some(if second == 30 { 2_000_000 } else { 3_000 });
            sample.replicas[0].memory_bytes = Some(4_000_000 + sample.replicas[0].connections.unwrap_or(0) * 9_000);
        });
    let summary = story.summary();
    insta::assert_snapshot!("failing_console", render::console(&summary));
    insta::assert_snapshot!("failing_markdown", render::markdown(&summary));
}

#[test]
fn an_interrupted_run() {
    let mut story = Story::whole();
    story.interrupted_after = Some(25);
    let summary = story.summary();
    insta::assert_snapshot!("interrupted_console", render::console(&summary));
    insta::assert_snapshot!("interrupted_markdown", render::markdown(&summary));
}

#[test]
fn a_foreign_target_without_figures() {
    let mut story = Story::whole();
    story.seconds = 70;
    story.is_foreign = true;
    let summary = story.summary();
    insta::assert_snapshot!("foreign_console", render::console(&summary));
    insta::assert_snapshot!("foreign_markdown", render::markdown(&summary));
}

#[test]
fn a_changed_threshold_is_shown_as_changed_in_every_view() {
    let story = Story::short().with_threshold("sla.p95_ms", 500.0);
    let config = story.config.clone();
    let summary: Summary = story.summary();
    let changed = "[changed by the user, default 100ms]";
    assert!(render::console(&summary).contains(&format!("P95 Latency < 500ms {changed}")));
    assert!(render::markdown(&summary).contains(&format!(
        "| SLA | Target | Actual | Status |\n|-----|--------|--------|--------|\n| P95 Latency | < 500ms {changed} |"
    )));
    assert!(render::json(&summary).contains("\"changed\": true"));
    let plan = Event::Plan { config: Box::new(config), phases: Vec::new(), folder: "results".into() };
    assert!(live::console(&plan).contains("Threshold changed: sla.p95_ms is 500"));
}

#[test]
fn a_plan_counts_only_the_scenarios_that_are_to_run() {
    let said = |skipped: Option<&str>, left_out: u32| {
        let planned = PlannedPhase {
            number: 4,
            name: "failure_recovery".into(),
            estimated_ms: Some(0),
            skipped: skipped.map(str::to_owned),
            left_out,
        };
        let config = Box::new(Story::short().config);
        let text = live::console(&Event::Plan { config, phases: vec![planned], folder: "results".into() });
        text.lines().find(|line| line.contains("Failure scenarios")).unwrap_or_default().trim().to_owned()
    };
    assert_eq!(said(None, 0), "- Failure scenarios: 3");
    assert_eq!(said(None, 2), "- Failure scenarios: 1 of 3, 2 left out");
    assert_eq!(said(Some("left out by --phases"), 3), "- Failure scenarios: none (left out by --phases)");
}
