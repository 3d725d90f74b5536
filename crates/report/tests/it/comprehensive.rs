//! The comprehensive suite: what its records come to.

use std::path::Path;

use erlmcp_record::names::{detail, phase, scenario};
use erlmcp_record::{ClusterSample, Entry, Fate};
use erlmcp_report::verdict::{Limit, Threshold, Verdict, thresholds};
use erlmcp_report::{ExitCode, State, Summary, Value, exit_code, render};

use crate::story::{Scene, Story, analysis};
use crate::{check, reason, verdict};

fn good() -> Story {
    Story::comprehensive(|_| {})
}

fn changed(name: &'static str, change: impl Fn(&mut Scene) + 'static) -> Summary {
    let change = move |scene: &mut Scene| {
        if scene.row.name == name {
            change(scene)
        }
    };
    Story::comprehensive(change).summary()
}

fn text<'a>(summary: &'a Summary, phase: &str, name: &str) -> &'a str {
    match summary.figure(phase, name) {
        Some(Value::Text(text)) => text,
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn a_suite_in_which_all_goes_well() {
    let summary = good().summary();
    let prefixes = ["connectivity.", "scaling.", "sustained.", "drift.", "distribution."];
    for check in summary.checks.iter().filter(|check| prefixes.iter().any(|prefix| check.id.starts_with(prefix))) {
        assert_eq!(verdict(&summary, &check.id), "PASS", "{check:?}");
    }
    assert_eq!(summary.suite.len(), 8);
    assert_eq!(summary.suite[1].verdict.mark(), "✓ PASS");
    assert!(matches!(summary.phases[4].state, State::Skipped { .. }));
    assert_eq!(summary.suite[4].verdict.mark(), "- SKIPPED");
    assert!(summary.invalid.is_none());
    insta::assert_snapshot!("comprehensive_console", render::console(&summary));
    insta::assert_snapshot!("comprehensive_markdown", render::markdown(&summary));
}

#[test]
fn phases_that_were_left_out_are_not_production_ready() {
    let summary = good().summary();
    assert_ne!(summary.readiness.verdict, Verdict::Pass);
    let against = &summary.readiness.against;
    assert!(against.iter().any(|why| why.contains("skipped")), "{against:?}");
}

#[test]
fn a_scenario_that_was_left_out_is_told_and_counts_where_all_is_required() {
    let left_out = |scene: &mut Scene| {
        if scene.row.name.starts_with(scenario::ANSWER) {
            scene.row.skipped = Some("only what cannot hurt is called".into());
        }
    };
    let mut summary = Story::comprehensive(left_out).summary();
    assert!(
        summary.readiness.against.contains(&"1 scenario was skipped".to_string()),
        "{:?}",
        summary.readiness.against
    );
    // Nothing else is against it.
    summary.checks.retain(|check| check.verdict == Verdict::Pass);
    assert_eq!(exit_code(&summary), ExitCode::Pass);
    summary.configuration.as_mut().expect("a story has one").require_all = true;
    assert_eq!(exit_code(&summary), ExitCode::Inconclusive);
}

#[test]
fn checks_of_stress_alone_are_not_asked_of_the_suite_nor_the_other_way_round() {
    let (suite, stress) = (good().summary(), Story::short().summary());
    assert!(suite.check("ramp.success_percent").is_none() && suite.check("sla.p95_ms").is_some());
    assert!(stress.check("scaling.success_percent").is_none() && stress.suite.is_empty());
}

#[test]
fn an_endpoint_that_does_not_answer_fails() {
    let summary = changed("endpoint_2", |scene| {
        scene.row.inconclusive = Some("nobody listens".into());
        scene.row.detail.insert(detail::ANSWERED.into(), 0.0);
    });
    assert_eq!(verdict(&summary, "connectivity.endpoints_percent"), "FAIL");
    assert_eq!(summary.suite[0].verdict.mark(), "✗ FAIL");
}

#[test]
fn the_worst_step_is_judged_and_named() {
    let summary = changed("load_3000", |scene| scene.loads[0].others.push((Fate::HttpError, 200)));
    assert_eq!(verdict(&summary, "scaling.error_rate_percent"), "FAIL");
    assert!(check(&summary, "scaling.error_rate_percent").source.contains("the step of 3,000 connections"));
    let summary = changed("load_1000", |scene| scene.loads[0].us = 150_000);
    assert_eq!(verdict(&summary, "scaling.p95_ms"), "FAIL");
    assert!(check(&summary, "scaling.p95_ms").source.contains("the step of 1,000 connections"));
}

#[test]
fn a_step_that_failed_stands_before_one_that_shows_nothing() {
    let summary = Story::comprehensive(|scene| match scene.row.name.as_str() {
        "load_3000" => scene.row.inconclusive = Some("cut short: interrupted".into()),
        "load_1000" => scene.loads[0].others.push((Fate::HttpError, 200)),
        _ => {}
    })
    .summary();
    assert_eq!(verdict(&summary, "scaling.error_rate_percent"), "FAIL");
    assert_eq!(verdict(&summary, "scaling.p95_ms"), "INCONCLUSIVE");
    assert!(reason(&summary, "scaling.p95_ms").contains("cut short"));
}

#[test]
fn latency_that_grows_with_the_connections_is_seen_as_a_power() {
    let summary = changed("load_3000", |scene| scene.loads[0].us = 3_000);
    let check = check(&summary, "scaling.latency_exponent");
    assert!((check.estimate.expect("two steps") - 1.0).abs() < 0.01, "{check:?}");
    assert_eq!(verdict(&summary, "scaling.latency_exponent"), "FAIL");
    assert!(text(&summary, phase::LOAD_SCALING, "p95_growth").starts_with("N^1.00"));
    let flat = good().summary();
    assert!(text(&flat, phase::LOAD_SCALING, "p95_growth").starts_with("N^0.00"));
}

#[test]
fn what_a_connection_costs_and_how_fast_it_is_opened_have_their_spread_by_second() {
    let longer = |scene: &mut Scene| {
        if scene.row.name.starts_with(scenario::SCALE_RAMP) {
            scene.row.detail.insert(detail::RAMP_MS.into(), 3_000.0);
        }
    };
    let mut rows = Story::comprehensive(longer).rows();
    for row in &mut rows {
        match row {
            Entry::Connections(row) if (1..4).contains(&row.second) => row.opened = 150 + 10 * u64::from(row.second),
            Entry::Connections(row) if (7..10).contains(&row.second) => row.opened = 300,
            _ => {}
        }
    }
    let summary = analysis(&rows).summary();
    let found = |name: &str| text(&summary, phase::LOAD_SCALING, name).to_string();
    assert_eq!(found("ramp_rate_by_second_at_1000"), "320.0 to 360.0 a second in 3 whole seconds");
    assert_eq!(found("ramp_rate_by_second_at_3000"), "600.0 to 600.0 a second in 3 whole seconds");
    assert!(found("ramp_rate_growth").contains("(95 %: "), "{}", found("ramp_rate_growth"));
    // The same CPU for three times as many.
    assert!(found("cpu_per_connection_growth").starts_with("N^-1.00 (95 %: -1.00 to -1.00"));
}

#[test]
fn a_step_without_all_of_its_connections_tells_nothing_of_them() {
    let mut rows = good().rows();
    for row in &mut rows {
        if let Entry::Connections(row) = row
            && (8..13).contains(&row.second)
        {
            row.open /= 2;
        }
    }
    let summary = analysis(&rows).summary();
    for id in ["scaling.latency_exponent", "scaling.memory_exponent"] {
        assert_eq!(verdict(&summary, id), "INCONCLUSIVE");
        assert_eq!(reason(&summary, id), "1,500 of 3,000 connections were open");
    }
    let lacking = Value::NotMeasured("1,500 of 3,000 connections were open".into());
    for name in ["memory_per_connection_bytes_at_3000", "cpu_us_a_second_a_connection_at_3000", "p95_growth"] {
        assert_eq!(summary.figure(phase::LOAD_SCALING, name), Some(&lacking), "{name}");
    }
    let of_1000 = summary.figure(phase::LOAD_SCALING, "memory_per_connection_bytes_at_1000");
    assert!(matches!(of_1000, Some(Value::Bytes(_))), "{of_1000:?}");
}

#[test]
fn memory_that_is_not_above_the_reference_tells_no_growth() {
    let no_more = |second: u32, sample: &mut ClusterSample| {
        if (2..7).contains(&second) {
            sample.replicas.iter_mut().for_each(|replica| replica.memory_bytes = Some(4_000_000));
        }
    };
    let summary = good().with_sample(no_more).summary();
    assert_eq!(verdict(&summary, "scaling.memory_exponent"), "INCONCLUSIVE");
    assert!(reason(&summary, "scaling.memory_exponent").contains("at 1,000 connections"));
}

#[test]
fn what_drifts_is_said_and_judged() {
    let rising = |second: u32, sample: &mut ClusterSample| {
        for replica in &mut sample.replicas {
            replica.descriptors = replica.descriptors.map(|count| count + u64::from(second));
            replica.threads = Some(6 + u64::from(second / 10));
        }
    };
    let summary = good().with_sample(rising).summary();
    // Three replicas, one more a second each.
    assert_eq!(verdict(&summary, "drift.descriptors_per_minute"), "FAIL");
    assert_eq!(check(&summary, "drift.descriptors_per_minute").estimate.map(f64::round), Some(180.0));
    assert_eq!(verdict(&summary, "drift.threads_per_minute"), "FAIL");
    assert!(text(&summary, phase::SUSTAINED_LOAD, "descriptors_drift").starts_with("grows 180.000 ± "));
    let slower = good().with_load(|second, load| load.slow.push((20_000 + u64::from(second) * 100, load.ok / 2 - 1)));
    let summary = slower.summary();
    assert_eq!(verdict(&summary, "drift.latency_ms_per_minute"), "FAIL");
}

#[test]
fn a_generator_that_slows_down_is_no_drift_of_the_target() {
    let lagging = good().with_load(|second, load| {
        load.slow.push((20_000 + u64::from(second) * 100, load.ok / 2 - 1));
        load.send_lag_us = 10_000;
    });
    let summary = lagging.summary();
    assert_eq!(verdict(&summary, "drift.latency_ms_per_minute"), "INCONCLUSIVE");
    assert!(reason(&summary, "drift.latency_ms_per_minute").contains("over a tenth of the P95 latency"));
    let unsent = good().with_load(|second, load| {
        if second == 30 {
            load.ok -= 1;
            load.others.push((Fate::UnsentNoTime, 1));
        }
    });
    let summary = unsent.summary();
    assert_eq!(verdict(&summary, "drift.latency_ms_per_minute"), "INCONCLUSIVE");
    assert!(reason(&summary, "drift.latency_ms_per_minute").contains("use more --agents"));
    assert_eq!(verdict(&summary, "drift.descriptors_per_minute"), "PASS");
}

#[test]
fn a_short_load_tells_no_drift() {
    let mut story = good();
    story.seconds = 40;
    let summary = story.summary();
    assert_eq!(verdict(&summary, "drift.descriptors_per_minute"), "INCONCLUSIVE");
    assert!(reason(&summary, "drift.threads_per_minute").contains("needs 60"));
}

#[test]
fn the_knee_is_the_last_rate_that_was_kept() {
    let summary = good().summary();
    assert_eq!(check(&summary, "distribution.knee_rps").estimate, Some(24_000.0));
    assert_eq!(text(&summary, phase::DISTRIBUTION, "beyond_the_knee"), "not kept: 40,000.0 req/s offered");
    // A rate beyond one that was not kept does not count.
    let early = changed(scenario::RATE_SWEEP, |scene| scene.loads[1].us = 300_000);
    assert_eq!(check(&early, "distribution.knee_rps").estimate, Some(6_000.0));
    assert_eq!(verdict(&early, "distribution.knee_rps"), "FAIL");
}

#[test]
fn a_knee_that_may_be_the_generators_is_no_fail() {
    let summary = changed(scenario::RATE_SWEEP, |scene| {
        scene.loads[1].us = 300_000;
        scene.loads[1].send_lag_us = 60_000;
    });
    assert_eq!(verdict(&summary, "distribution.knee_rps"), "INCONCLUSIVE");
    assert!(text(&summary, phase::DISTRIBUTION, "beyond_the_knee").starts_with("perhaps the generator's limit"));
}

#[test]
fn a_rate_that_the_generator_did_not_send_whole_shows_nothing() {
    let unsent = |scene: &mut Scene| scene.loads[2].others.push((Fate::UnsentNoTime, 10));
    let summary = changed(scenario::RATE_SWEEP, unsent);
    assert_eq!(verdict(&summary, "distribution.knee_rps"), "INCONCLUSIVE");
    assert!(reason(&summary, "distribution.knee_rps").contains("use more --agents"));
}

#[test]
fn a_sweep_that_never_got_to_the_limit_shows_nothing() {
    let summary = changed(scenario::RATE_SWEEP, |scene| {
        scene.loads.truncate(1);
        scene.row.blocks.truncate(1);
    });
    assert_eq!(verdict(&summary, "distribution.knee_rps"), "INCONCLUSIVE");
    assert!(reason(&summary, "distribution.knee_rps").contains("not offered"));
}

#[test]
fn errors_of_what_is_compared_are_found_and_named() {
    let summary = changed("era_legacy", |scene| scene.loads[0].others.push((Fate::RpcError, 50)));
    assert_eq!(verdict(&summary, "distribution.error_rate_percent"), "FAIL");
    assert!(check(&summary, "distribution.error_rate_percent").source.contains("250 errors in era_legacy"));
    let summary = changed("era_legacy", |scene| scene.row.inconclusive = Some("no session was opened".into()));
    assert_eq!(verdict(&summary, "distribution.error_rate_percent"), "INCONCLUSIVE");
    assert!(reason(&summary, "distribution.error_rate_percent").contains("era_legacy: no session"));
}

#[test]
fn far_percentiles_need_samples_beyond_them() {
    let summary = good().summary();
    // 60,000 requests: 60 lie beyond P99.9, and six beyond P99.99.
    assert!(matches!(summary.figure(phase::DISTRIBUTION, "p99_9_ms"), Some(Value::Ms(_))));
    assert!(matches!(summary.figure(phase::DISTRIBUTION, "p99_99_ms"), Some(Value::NotMeasured(_))));
    assert_eq!(summary.figure(phase::DISTRIBUTION, "stream_to_json_service_p50"), Some(&Value::Number(2.0)));
}

const BEGIN: &str = "<!-- The table is made from the code: UPDATE_DOCS=1 cargo test -p erlmcp-report --test it limits_of_the_docs -->\n";
const END: &str = "<!-- The end of the table. -->\n";

fn table() -> String {
    let limit = |row: &Threshold| {
        let (value, unit) = (row.default, row.unit.to_string());
        Limit { value, unit, comparison: row.comparison, changed: false }.text()
    };
    let mut text = String::from("| Phase | Limit | What | Expected |\n|---|---|---|---|\n");
    for name in phase::SUITE.into_iter().chain([phase::COOL_DOWN]).map(Some).chain([None]) {
        for row in thresholds().iter().filter(|row| row.phase == name && !row.id.starts_with("faults.")) {
            let phase = name.unwrap_or("the whole run");
            text += &format!("| {phase} | `{}` | {} | {} |\n", row.id, row.name, limit(row));
        }
    }
    text
}

/// The table of limits in docs/comprehensive.md is the one of the code.
#[test]
fn limits_of_the_docs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/comprehensive.md");
    let page = std::fs::read_to_string(&path).expect("docs/comprehensive.md");
    let (before, rest) = page.split_once(BEGIN).expect("the table's begin");
    let (found, after) = rest.split_once(END).expect("the table's end");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, [before, BEGIN, &table(), END, after].concat()).expect("written");
        return;
    }
    assert_eq!(found, table(), "docs/comprehensive.md is not up to date");
}
