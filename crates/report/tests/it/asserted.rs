//! What a user expects of the load beside the SLAs.

use erlmcp_record::names::phase;
use erlmcp_record::{Entry, Fate};
use erlmcp_report::{ExitCode, Summary, exit_code, render};

use crate::story::{Story, analysis};
use crate::{check, reason, verdict};

fn asserting(text: &str, story: Story) -> Story {
    let mut story = story;
    story.config.asserts = Some(text.into());
    story
}

/// One request of 720,000 of the window takes 800 ms, and `errors` time out.
fn with(text: &str, errors: u64) -> Summary {
    let story = Story::short().with_load(move |second, load| {
        if second == 30 {
            load.slow.push((800_000, 1));
            load.ok -= errors;
            load.others.extend((errors > 0).then_some((Fate::TimedOut, errors)));
        }
    });
    asserting(text, story).summary()
}

#[test]
fn each_is_a_row_beside_the_slas() {
    let summary = with("p95<100ms,p99.9<=50ms,mean<20ms,errors<0.05%", 0);
    let rows: Vec<&str> =
        summary.checks.iter().filter(|check| check.is_headline()).map(|check| check.id.as_str()).skip(5).collect();
    assert_eq!(rows, ["assert.p95_ms", "assert.p99_9_ms", "assert.mean_ms", "assert.errors_percent"]);
    for id in rows {
        assert_eq!(verdict(&summary, id), "PASS", "{id}");
    }
    assert_eq!(check(&summary, "assert.p95_ms").bound, check(&summary, "sla.p95_ms").bound);
    let row = "| P95 latency (--assert) | < 100ms | 5.0 ms | ✓ PASS |";
    assert!(render::markdown(&summary).lines().any(|line| line == row), "{}", render::markdown(&summary));
    assert!(render::console(&summary).contains("Errors (--assert) < 0.05%"));
}

#[test]
fn the_limit_itself_is_past_it_unless_that_is_allowed() {
    assert_eq!(verdict(&with("errors<0.05%", 360), "assert.errors_percent"), "FAIL");
    assert_eq!(verdict(&with("errors<0.05%", 359), "assert.errors_percent"), "INCONCLUSIVE");
    assert_eq!(verdict(&with("max<1s", 0), "assert.max_ms"), "PASS");
    assert_eq!(verdict(&with("max<800ms", 0), "assert.max_ms"), "FAIL");
    // All requests of the run are counted: that none of them failed is no estimate.
    assert_eq!(verdict(&with("errors<=0%", 0), "assert.errors_percent"), "PASS");
    assert_eq!(verdict(&with("errors<=0%", 1), "assert.errors_percent"), "FAIL");
}

#[test]
fn throughput_and_availability_are_judged_as_the_slas_are() {
    let text = "throughput>11000req/s,availability>99%";
    let summary = with(text, 0);
    for (own, sla) in [("throughput_rps", "throughput_rps"), ("availability_percent", "availability_percent")] {
        let (own, sla) = (check(&summary, &format!("assert.{own}")), check(&summary, &format!("sla.{sla}")));
        assert_eq!((own.estimate, own.bound, own.samples), (sla.estimate, sla.bound, sla.samples));
    }
    assert_eq!(verdict(&summary, "assert.throughput_rps"), "PASS");
    assert_eq!(verdict(&summary, "assert.availability_percent"), "PASS");
    assert_eq!(verdict(&with("availability>=100%", 0), "assert.availability_percent"), "PASS");
    // 360 requests of a second, 30 a slot or more, are more than one in a hundred of one of its slots.
    assert_eq!(verdict(&with("availability>=100%", 360), "assert.availability_percent"), "FAIL");
    let more = with("throughput>20000", 0);
    assert_eq!(verdict(&more, "assert.throughput_rps"), "INCONCLUSIVE");
    assert!(reason(&more, "assert.throughput_rps").contains("not offered"));
}

#[test]
fn one_that_fails_makes_the_exit_code_of_a_failing_check() {
    let without = Story::short().summary();
    assert!(without.checks.iter().all(|check| !check.id.starts_with("assert.")));
    assert_ne!(exit_code(&without), ExitCode::SlaFailed);
    assert_eq!(exit_code(&asserting("mean<4ms", Story::short()).summary()), ExitCode::SlaFailed);
}

#[test]
fn what_the_generator_did_not_send_leaves_it_open() {
    let story = Story::short().with_load(|second, load| {
        if second == 30 {
            load.ok -= 5;
            load.others.push((Fate::UnsentNoTime, 5));
        }
    });
    let summary = asserting("p99<1s,max<10s", story).summary();
    for id in ["assert.p99_ms", "assert.max_ms"] {
        assert_eq!(verdict(&summary, id), "INCONCLUSIVE", "{id}");
        assert!(reason(&summary, id).contains("did not send"), "{}", reason(&summary, id));
    }
}

#[test]
fn a_phase_that_was_left_out_leaves_it_out() {
    let mut story = asserting("p99<1s", Story::short());
    story.config.phases[2] = phase::RAMP_UP.into();
    let rows: Vec<Entry> =
        story.rows().into_iter().filter(|row| !matches!(row, Entry::Phase(row) if row.phase == 3)).collect();
    assert_eq!(verdict(&analysis(&rows).summary(), "assert.p99_ms"), "SKIPPED");
}

#[test]
fn of_chaos_the_load_under_faults_is_judged() {
    let mut story = asserting("p99<1s,errors<1%", Story::short());
    story.config.phases[2] = phase::CHAOS.into();
    let summary = story.summary();
    let found = check(&summary, "assert.p99_ms");
    assert_eq!(found.phase.as_deref(), Some(phase::CHAOS));
    // All of its seconds, the first ones too: nothing is a warm-up there.
    assert_eq!(found.samples, 840_000);
    assert_eq!((verdict(&summary, "assert.p99_ms"), verdict(&summary, "assert.errors_percent")), ("PASS", "PASS"));
}
