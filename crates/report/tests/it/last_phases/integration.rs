//! Phase 8: what the parts of a server count.

use erlmcp_record::names::{detail, phase, scenario};
use erlmcp_record::{Entry, ScenarioRow};
use erlmcp_report::{Summary, Value, render};

use super::{INTEGRATION, scene, suite};
use crate::{check, reason, verdict};

/// What the parts found where server and client agree.
fn integration(change: impl Fn(&str, &mut ScenarioRow)) -> Summary {
    suite(|| {
        let times = [(detail::SAMPLES, 200.0), (detail::MEAN_NS, 60.0), (detail::P95_NS, 128.0)];
        let same = [(detail::TAKEN, 6_400.0), (detail::DIFFERENCE, 0.0)];
        let queue = [
            (detail::TAKEN, 550.0),
            (detail::REFUSED, 100.0),
            (detail::REFUSED_DIFFERENCE, 0.0),
            (detail::TAKEN_DIFFERENCE, 0.0),
            (detail::QUEUE_DEPTH_MAX, 500.0),
            (detail::QUEUE_LIMIT, 500.0),
            (detail::WORKERS_ACTIVE_MAX, 50.0),
            (detail::WORKERS, 50.0),
        ];
        let all = [
            ("registry_10", times.to_vec()),
            ("registry_10000", times.to_vec()),
            (scenario::ROUTER, [times.as_slice(), same.as_slice()].concat()),
            (scenario::QUEUE_AND_WORKERS, queue.to_vec()),
            (scenario::BATCHING, same.to_vec()),
            (scenario::SESSION_TOKENS, [times.as_slice(), same.as_slice()].concat()),
            (scenario::FAN_OUT, same.to_vec()),
        ];
        let scenes = (0..).zip(all).map(|(at, (name, found))| {
            let mut row = scene(INTEGRATION, name, (at, 1), &found);
            change(name, &mut row);
            Entry::Scenario(row)
        });
        scenes.collect()
    })
}

#[test]
fn parts_whose_counts_agree_pass_and_others_fail() {
    let ids = [
        "lookup_p95_us",
        "route_p95_us",
        "token_check_p95_us",
        "requests_difference_count",
        "refusals_difference_count",
        "queue_filled_percent",
        "workers_used_percent",
        "batches_difference_count",
        "tokens_difference_count",
        "notifications_difference_count",
    ];
    let summary = integration(|_, _| {});
    for id in ids {
        assert_eq!(verdict(&summary, &format!("integration.{id}")), "PASS", "{id}");
    }
    let text = render::console(&summary);
    assert!(text.contains("server and client agree on 5 of 5 parts"), "{text}");
    let of = |name: &'static str, figure: &'static str, value: f64| {
        integration(move |at, row| {
            if at == name {
                row.detail.insert(figure.into(), value);
            }
        })
    };
    let cases = [
        ("registry_10000", detail::P95_NS, 20_000.0, "lookup_p95_us", "FAIL"),
        ("registry_10000", detail::SAMPLES, 3.0, "lookup_p95_us", "INCONCLUSIVE"),
        ("registry_10", detail::P95_NS, 20_000.0, "lookup_p95_us", "PASS"),
        (scenario::ROUTER, detail::DIFFERENCE, 1.0, "requests_difference_count", "FAIL"),
        (scenario::QUEUE_AND_WORKERS, detail::REFUSED_DIFFERENCE, 1.0, "refusals_difference_count", "FAIL"),
        (scenario::QUEUE_AND_WORKERS, detail::REFUSED, 0.0, "refusals_difference_count", "INCONCLUSIVE"),
        (scenario::QUEUE_AND_WORKERS, detail::QUEUE_DEPTH_MAX, 499.0, "queue_filled_percent", "FAIL"),
        (scenario::QUEUE_AND_WORKERS, detail::WORKERS_ACTIVE_MAX, 49.0, "workers_used_percent", "FAIL"),
        (scenario::BATCHING, detail::DIFFERENCE, 2.0, "batches_difference_count", "FAIL"),
        (scenario::SESSION_TOKENS, detail::DIFFERENCE, 1.0, "tokens_difference_count", "FAIL"),
        (scenario::FAN_OUT, detail::DIFFERENCE, 1.0, "notifications_difference_count", "FAIL"),
        (scenario::FAN_OUT, detail::TAKEN, 0.0, "notifications_difference_count", "INCONCLUSIVE"),
    ];
    for (name, figure, value, id, expected) in cases {
        assert_eq!(verdict(&of(name, figure, value), &format!("integration.{id}")), expected, "{name} {figure}");
    }
}

#[test]
fn a_percentile_above_all_bounds_is_more_than_the_last_of_them() {
    let above = |last_ns: f64| {
        integration(move |name, row| {
            if name == scenario::ROUTER {
                row.detail.insert(detail::P95_NS.into(), last_ns);
                row.detail.insert(detail::P95_ABOVE.into(), 1.0);
            }
        })
    };
    let summary = above(1_048_576.0);
    assert_eq!(verdict(&summary, "integration.route_p95_us"), "FAIL");
    assert!(check(&summary, "integration.route_p95_us").source.starts_with("more than that"));
    let found = summary.figure(phase::INTEGRATION, "route_p95_ns");
    assert_eq!(found, Some(&Value::Text("more than 1,048,576".into())));
    assert_eq!(verdict(&above(16_384.0), "integration.route_p95_us"), "INCONCLUSIVE", "nobody knows how much more");
}

#[test]
fn what_was_not_found_out_of_the_queue_is_not_0() {
    let without = |figure: &'static str| {
        integration(move |_, row| {
            row.detail.remove(figure);
        })
    };
    let cases =
        [(detail::QUEUE_DEPTH_MAX, "queue_filled_percent"), (detail::WORKERS_ACTIVE_MAX, "workers_used_percent")];
    for (figure, id) in cases {
        let summary = without(figure);
        assert_eq!(verdict(&summary, &format!("integration.{id}")), "INCONCLUSIVE", "{id}");
        assert!(reason(&summary, &format!("integration.{id}")).contains("in use before"), "{id}");
        let found = summary.figure(phase::INTEGRATION, figure.trim_end_matches("_count"));
        assert!(matches!(found, Some(Value::NotMeasured(_))), "{found:?}");
    }
}
