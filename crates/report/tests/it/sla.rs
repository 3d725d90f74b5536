//! The edges of what is judged by requests. The window of a short story: 60 s at 12,000 a second, 720,000 requests.

use erlmcp_record::{Entry, Fate, Kind};

use crate::story::rows::{fates, hist};
use crate::story::{LoadSecond, Story, analysis};
use crate::{check, reason, verdict};

/// `count` requests of one second after the warm-up end so.
fn with(fate: Fate, count: u64) -> Story {
    Story::short().with_load(move |second, load| {
        if second == 30 {
            load.ok -= count;
            load.others.push((fate, count));
        }
    })
}

#[test]
fn an_error_rate_at_its_limit_fails_and_one_request_less_does_not() {
    let exact = with(Fate::HttpError, 360).summary();
    assert_eq!(check(&exact, "sla.error_rate_percent").estimate, Some(0.05));
    assert_eq!(check(&exact, "sla.error_rate_percent").samples, 720_000);
    assert_eq!(verdict(&exact, "sla.error_rate_percent"), "FAIL");
    // Below, but by so little that chance can be why.
    let below = with(Fate::HttpError, 359).summary();
    assert_eq!(verdict(&below, "sla.error_rate_percent"), "INCONCLUSIVE");
    let why = reason(&below, "sla.error_rate_percent");
    assert!(why.contains("95 % bound") && why.contains("needs") && why.contains("requests, which takes"), "{why}");
    let few = with(Fate::HttpError, 300).summary();
    assert_eq!(verdict(&few, "sla.error_rate_percent"), "PASS");
    assert_eq!(verdict(&Story::short().summary(), "sla.error_rate_percent"), "PASS");
}

#[test]
fn each_kind_of_error_has_its_own_limit() {
    let timeouts = "sustained.timeouts_percent";
    let server = "sustained.server_errors_percent";
    let connection = "sustained.connection_errors_percent";
    for (fate, fails) in [
        (Fate::TimedOut, timeouts),
        (Fate::UnsentBusy, timeouts),
        (Fate::ToolError, server),
        (Fate::RpcError, server),
        (Fate::HttpError, server),
        (Fate::Refused, server),
    ] {
        // 0.02 % of 720,000.
        let summary = with(fate, 144).summary();
        for id in [timeouts, server, connection] {
            assert_eq!(verdict(&summary, id), if id == fails { "FAIL" } else { "PASS" }, "{fate:?} {id}");
        }
        assert_eq!(verdict(&with(fate, 100).summary(), fails), "PASS", "{fate:?}");
    }
    for fate in [Fate::Reset, Fate::UnsentConnection] {
        let summary = with(fate, 720).summary();
        assert_eq!(verdict(&summary, connection), "FAIL", "{fate:?}");
        assert_eq!(verdict(&summary, "sustained.error_rate_percent"), "FAIL", "{fate:?}");
        assert_eq!(verdict(&summary, timeouts), "PASS", "{fate:?}");
    }
}

/// A load that is on and off by turns ends in silence, and has seconds without a row.
#[test]
fn seconds_without_an_arrival_are_part_of_the_load() {
    let mut rows = Story::short().with_load(|second, load| load.ok *= u64::from((second / 5).is_multiple_of(2))).rows();
    rows.retain(|row| !matches!(row, Entry::Interval(row) if row.planned == 0));
    let summary = analysis(&rows).summary();
    let throughput = check(&summary, "sla.throughput_rps");
    assert_eq!((throughput.samples, throughput.estimate), (60, Some(6_000.0)));
}

#[test]
fn the_warm_up_is_not_judged() {
    let early = Story::short().with_load(|second, load| {
        if second < 10 {
            *load = LoadSecond { ok: 6_000, others: vec![(Fate::TimedOut, 6_000)], ..load.clone() };
        }
    });
    let summary = early.summary();
    for id in ["sla.error_rate_percent", "sla.p95_ms", "sla.throughput_rps", "sustained.timeouts_percent"] {
        assert_eq!(verdict(&summary, id), "PASS", "{id}");
    }
    let first_judged = Story::short().with_load(|second, load| {
        if second == 10 {
            *load = LoadSecond { ok: 6_000, others: vec![(Fate::TimedOut, 6_000)], ..load.clone() };
        }
    });
    assert_eq!(verdict(&first_judged.summary(), "sla.error_rate_percent"), "FAIL");
}

#[test]
fn baseline_latency_is_that_of_ok_answers() {
    let with = |planned: u64, ok: u64| {
        let mut rows = Story::short().rows();
        for row in &mut rows {
            match row {
                Entry::Block(row) if row.kind == Kind::Sequential => row.planned = planned,
                Entry::Interval(row) if row.kind == Kind::Sequential => {
                    row.planned = planned;
                    row.fates = fates(&[(Fate::Ok, ok), (Fate::ToolError, planned - ok)]);
                    row.latency = Some(hist(&[(700, planned)]));
                }
                _ => {}
            }
        }
        analysis(&rows).summary()
    };
    let id = "baseline.latency_ms";
    assert_eq!(verdict(&with(100, 99), id), "PASS");
    assert_eq!(reason(&with(100, 98), id), "only 98 of 100 sequential requests ended ok");
    assert_eq!(verdict(&with(100, 0), id), "INCONCLUSIVE");
    assert_eq!(reason(&with(19, 19), id), "19 ok answers are too few: needs 20");
}

/// Every second, `count` of 12,000 requests take `us`.
fn slow(count: u64, us: u64) -> Story {
    Story::short().with_load(move |_, load| load.slow.push((us, count)))
}

#[test]
fn a_percentile_at_its_limit_fails() {
    assert_eq!(verdict(&slow(601, 100_000).summary(), "sla.p95_ms"), "FAIL");
    assert_eq!(verdict(&slow(601, 99_000).summary(), "sla.p95_ms"), "PASS");
    // One in twenty is not beyond the 95th percentile.
    assert_eq!(verdict(&slow(600, 100_000).summary(), "sla.p95_ms"), "PASS");
}

#[test]
fn a_percentile_whose_seconds_differ_is_not_sure() {
    // The first 29 of 60 seconds have 10 % of slow requests: 4.8 % in all, and a little more would make it 5 %.
    let summary = Story::short()
        .with_load(|second, load| {
            if (10..39).contains(&second) {
                load.slow.push((150_000, 1_200));
            }
        })
        .summary();
    assert_eq!(verdict(&summary, "sla.p95_ms"), "INCONCLUSIVE");
    assert!(reason(&summary, "sla.p95_ms").contains("its 95 % bound of 150."), "{}", reason(&summary, "sla.p95_ms"));
}

#[test]
fn ten_samples_must_lie_beyond_a_percentile() {
    let summary = Story::short().at_rate(3).summary();
    assert_eq!(verdict(&summary, "sla.p95_ms"), "INCONCLUSIVE");
    assert_eq!(reason(&summary, "sla.p95_ms"), "180 samples are too few: needs 200");
    assert_eq!(verdict(&Story::short().at_rate(4).summary(), "sla.p95_ms"), "PASS");
    // No error of 180 says nothing about 0.05 %.
    assert!(reason(&summary, "sla.error_rate_percent").contains("needs 5,990 requests, which takes 33.3 minutes"));
}

#[test]
fn throughput_that_was_not_offered_is_not_judged() {
    let at = |rate: u64| Story::short().at_rate(rate).summary();
    for rate in [450, 9_999, 10_000] {
        let summary = at(rate);
        assert_eq!(verdict(&summary, "sla.throughput_rps"), "INCONCLUSIVE", "{rate}");
        assert!(reason(&summary, "sla.throughput_rps").starts_with("not offered"), "{rate}");
        assert_eq!(verdict(&summary, "sustained.throughput_rps"), "PASS", "{rate}");
    }
    assert_eq!(verdict(&at(400), "sustained.throughput_rps"), "INCONCLUSIVE");
    assert_eq!(verdict(&at(10_001), "sla.throughput_rps"), "PASS");
}

#[test]
fn throughput_at_its_limit_fails() {
    let answered = |ok: u64| {
        let story = Story::short().with_load(move |_, load| {
            load.ok = ok;
            load.others.push((Fate::TimedOut, 12_000 - ok));
        });
        story.summary()
    };
    for (ok, expected) in [(450, "FAIL"), (10_000, "FAIL"), (10_001, "PASS")] {
        assert_eq!(verdict(&answered(ok), "sla.throughput_rps"), expected, "{ok}");
    }
    for (ok, expected) in [(11_879, "FAIL"), (11_900, "PASS")] {
        assert_eq!(verdict(&answered(ok), "sustained.offered_percent"), expected, "{ok}");
    }
}

/// So many slots of 100 ms without a single ok answer, each in a second of its own.
fn dark_slots(count: u32) -> Story {
    let mut story = Story::whole().with_load(move |second, load| {
        if (100..100 + count).contains(&second) {
            load.ok -= 600;
            load.others.push((Fate::Reset, 600));
        }
    });
    story.has_scenarios = false;
    story
}

#[test]
fn availability_counts_slots_of_100_ms() {
    // Of 6,100 slots 3.05 are 0.05 %.
    for (count, expected) in [(0, "PASS"), (3, "INCONCLUSIVE"), (4, "FAIL")] {
        let summary = dark_slots(count).summary();
        assert_eq!(check(&summary, "sla.availability_percent").samples, 6_100);
        assert_eq!(verdict(&summary, "sla.availability_percent"), expected, "{count}");
    }
}

#[test]
fn a_slot_is_available_from_99_percent_on() {
    let of_slot = |errors: u64| {
        let story = Story::short().with_load(move |_, load| {
            load.ok -= errors;
            load.others.push((Fate::HttpError, errors));
        });
        check(&story.summary(), "sla.availability_percent").estimate
    };
    // All errors are in the first of a second's ten slots, which has 1,200 requests.
    assert_eq!(of_slot(12), Some(100.0));
    assert_eq!(of_slot(13), Some(90.0));
}

#[test]
fn a_minute_is_too_short_for_availability_and_says_how_long_it_takes() {
    let summary = Story::short().summary();
    assert_eq!(verdict(&summary, "sla.availability_percent"), "INCONCLUSIVE");
    let why = reason(&summary, "sla.availability_percent");
    assert!(why.ends_with("needs 5,990 slots of 100 ms, which takes 10.0 minutes of load after the warm-up"), "{why}");
}
