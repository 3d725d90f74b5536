//! Runs side by side.

use erlmcp_record::names::phase;
use erlmcp_record::{Entry, Fate, FaultRow};
use erlmcp_report::compare::{Compared, Condition, Found, Row, Standing, compare, markdown, text};
use erlmcp_report::render::compared_html;
use erlmcp_report::verdict::Verdict;
use erlmcp_report::{Analysis, ExitCode};

use crate::story::{LoadSecond, Story, analysis};

fn usual() -> Analysis {
    analysis(&Story::short().rows())
}

/// Every second of the load, changed.
fn with(change: impl Fn(u32, &mut LoadSecond) + 'static) -> Analysis {
    analysis(&Story::short().with_load(change).rows())
}

fn pair<'a>(one: &'a Analysis, other: &'a Analysis) -> [(String, &'a Analysis); 2] {
    [("before".into(), one), ("after".into(), other)]
}

fn compared(one: &Analysis, other: &Analysis, conditions: &[&str]) -> Compared {
    let conditions: Vec<Condition> = conditions.iter().map(|text| text.parse().expect("a condition")).collect();
    compare(&pair(one, other), &conditions, false).expect("they are comparable")
}

fn row<'a>(compared: &'a Compared, name: &str) -> &'a Row {
    compared.rows.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("there is a row {name}"))
}

fn standing(compared: &Compared, name: &str) -> Standing {
    row(compared, name).changes[0].standing
}

#[test]
fn a_page_says_what_the_terminal_says() {
    let slow = with(|_, load| load.slow.push((10_000, 1_200)));
    let found = compared(&usual(), &slow, &["p95>+10%", "throughput<-5%"]);
    let page = compared_html(&found);
    let seen = page.replace("&#39;", "'").replace("&gt;", ">").replace("&lt;", "<");
    for line in text(&found).lines().filter(|line| line.starts_with('p') || line.starts_with("errors")) {
        for cell in line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()) {
            assert!(
                seen.contains(&format!(">{cell}<")) || seen.contains(&format!("</svg> {cell}<")),
                "{cell} in\n{page}"
            );
        }
    }
    assert_eq!(
        page.matches("<svg").count(),
        found.rows.iter().filter(|row| row.changes[0].difference.is_some()).count()
    );
    for judged in &found.conditions {
        assert!(seen.contains(&format!("<code>{}</code>", judged.condition)), "{}", judged.condition);
        assert!(seen.contains(&judged.actual), "{}", judged.actual);
    }
    assert!(page.contains("✗ FAIL</p>") && page.contains("✓ PASS</span>"), "{page}");
    assert!(
        page.contains("style-src") && !page.contains("<script") && !page.contains(" src="),
        "it needs nothing else"
    );
    assert!(compared_html(&compared(&usual(), &usual(), &[])).contains("can&#39;t tell"));
}

#[test]
fn what_people_call_things_does_not_become_markup() {
    let (one, other) = (usual(), usual());
    let runs = [("<b>before".to_string(), &one), ("after".to_string(), &other)];
    let page = compared_html(&compare(&runs, &[], false).expect("they are comparable"));
    assert!(page.contains("&lt;b&gt;before") && !page.contains("<b>before"));
}

#[test]
fn a_run_does_not_differ_from_itself() {
    let found = compared(&usual(), &usual(), &["p99>+1%", "throughput<-1%", "errors>+0.01pp"]);
    for row in &found.rows {
        assert_eq!(row.changes[0].standing, Standing::CantTell, "{row:?}");
        assert!(matches!(row.values[..], [Found::Value(_), Found::Value(_)]), "{row:?}");
    }
    for view in [text(&found), markdown(&found), compared_html(&found)] {
        assert!(
            !["NaN", ">better<", "  better", "  worse", ">worse<"].iter().any(|word| view.contains(word)),
            "{view}"
        );
    }
    assert!(found.conditions.iter().all(|judged| judged.verdict == Verdict::Pass), "{:?}", found.conditions);
    assert_eq!(found.exit_code(), ExitCode::Pass);
    assert!(found.notes.iter().any(|note| note.starts_with("one run a side")), "{:?}", found.notes);
}

#[test]
fn what_is_slower_in_all_seconds_is_worse_and_the_other_way_round_better() {
    // A tenth of 12,000 a second takes twice the time.
    let slow = with(|_, load| load.slow.push((10_000, 1_200)));
    let found = compared(&usual(), &slow, &["p95>+10%", "p99>+3ms", "p50>+10%"]);
    let standings = ["p50", "p95", "mean", "errors"].map(|name| standing(&found, name));
    assert_eq!(standings, [Standing::CantTell, Standing::Worse, Standing::Worse, Standing::CantTell]);
    let difference = row(&found, "p95").changes[0].difference.expect("both are known");
    assert!((95.0..=105.0).contains(&difference.estimate), "{difference:?}");
    let verdicts: Vec<&Verdict> = found.conditions.iter().map(|judged| &judged.verdict).collect();
    assert_eq!(verdicts, [&Verdict::Fail, &Verdict::Fail, &Verdict::Pass]);
    assert_eq!(found.exit_code(), ExitCode::SlaFailed);
    assert_eq!(standing(&compared(&slow, &usual(), &[]), "p95"), Standing::Better);
}

/// All of the difference is in one second of sixty: another minute may not have it.
#[test]
fn what_one_second_did_cannot_be_told_from_chance() {
    let hiccup = with(|second, load| {
        if second == 30 {
            load.slow.push((500_000, 5_000));
        }
    });
    // The mean is 3.4 ms above 5 ms.
    let found = compared(&usual(), &hiccup, &["mean>+100%"]);
    assert_eq!(standing(&found, "mean"), Standing::CantTell);
    let [judged] = &found.conditions[..] else { panic!("one condition") };
    assert!(matches!(judged.verdict, Verdict::Inconclusive { .. }), "{judged:?}");
    assert_eq!(found.exit_code(), ExitCode::Inconclusive);
}

#[test]
fn seconds_without_load_lower_the_throughput() {
    let mut rows = Story::short().with_load(|second, load| load.ok *= u64::from((second / 5).is_multiple_of(2))).rows();
    rows.retain(|row| !matches!(row, Entry::Interval(row) if row.planned == 0));
    let by_turns = analysis(&rows);
    let found = compared(&usual(), &by_turns, &[]);
    let throughput = row(&found, "throughput");
    assert!(matches!(throughput.values[..], [Found::Value(12_000.0), Found::Value(6_000.0)]), "{throughput:?}");
    assert_eq!(throughput.changes[0].standing, Standing::Worse);
}

#[test]
fn errors_are_told_in_points_since_there_is_no_percentage_of_none() {
    let failing = with(|_, load| {
        load.ok -= 120;
        load.others.push((Fate::HttpError, 120));
    });
    let found = compared(&usual(), &failing, &["errors>+0.5pp", "errors>+10%", "throughput<-0.5%"]);
    let difference = row(&found, "errors").changes[0].difference.expect("both are known");
    assert_eq!((difference.estimate, standing(&found, "errors")), (1.0, Standing::Worse));
    assert_eq!(standing(&found, "throughput"), Standing::Worse);
    assert!(found.conditions.iter().all(|judged| judged.verdict == Verdict::Fail), "{:?}", found.conditions);
    assert_eq!(found.conditions[1].actual, "from none (from none to from none)");
}

#[test]
fn what_is_not_comparable_is_refused_unless_it_is_wanted() {
    let (one, slower) = (usual(), analysis(&Story::short().at_rate(1_000).rows()));
    let why = compare(&pair(&one, &slower), &[], false).expect_err("another rate");
    assert_eq!(
        why,
        "before and after are not comparable: req/s 12,000.0 against 1,000.0; --anyway compares them all the same"
    );
    let found = compare(&pair(&one, &slower), &[], true).expect("it is wanted");
    assert!(found.notes[0].contains("req/s 12,000.0 against 1,000.0"), "{:?}", found.notes);
    let mut rows = Story::short().rows();
    if let Some(Entry::Run(header)) = rows.first_mut() {
        header.machine.cores = 64;
    }
    let why = compare(&pair(&one, &analysis(&rows)), &[], false).expect_err("another machine");
    assert!(why.contains("64 cores"), "{why}");
}

#[test]
fn load_under_other_faults_is_not_comparable() {
    let under = |targets: &[Vec<u16>]| {
        let mut story = Story::short();
        story.config.phases[2] = phase::CHAOS.into();
        let mut rows = story.rows();
        rows.extend((0..).zip(targets).map(|(id, replicas)| {
            Entry::Fault(FaultRow {
                id,
                phase: 3,
                scenario: "faults".into(),
                kind: "kill".into(),
                replica: replicas.first().copied(),
                replicas: replicas.clone(),
                injected_us: 20_000_000,
                effect_us: Some(20_000_000),
                ..FaultRow::default()
            })
        }));
        analysis(&rows)
    };
    let (one, two, both) = (under(&[vec![1]]), under(&[vec![2], vec![3]]), under(&[vec![1, 2]]));
    let why = compare(&pair(&one, &two), &[], false).expect_err("another number of faults");
    assert!(why.contains("faults 1 kill of 1 replica against 2 kill of 1 replica;"), "{why}");
    let why = compare(&pair(&one, &both), &[], false).expect_err("more targets");
    assert!(why.contains("against 1 kill of 2 replicas;"), "{why}");
    assert!(compare(&pair(&one, &two), &[], true).is_ok());
    assert!(compare(&pair(&one, &under(&[vec![3]])), &[], false).is_ok(), "which replica it is does not matter");
}

#[test]
fn a_run_without_load_has_nothing_to_compare() {
    let without = |row: &Entry| !matches!(row, Entry::Phase(row) if row.phase == 3);
    let rows: Vec<Entry> = Story::short().rows().into_iter().filter(without).collect();
    let (one, none) = (usual(), analysis(&rows));
    let why = compare(&pair(&one, &none), &[], false).expect_err("nothing");
    assert!(why.starts_with("after has no sustained load to compare"), "{why}");
    assert!(compare(&pair(&one, &none)[..1], &[], false).is_err());
}

#[test]
fn too_few_requests_have_no_rare_percentile() {
    let few = analysis(&Story::short().at_rate(100).rows());
    let found = compared(&few, &few, &["p99.9>+10%", "p90>+10%"]);
    let shown = row(&found, "p99.9");
    assert!(matches!(&shown.values[0], Found::NotMeasured(why) if why.contains("needs 10,000")), "{shown:?}");
    assert!(matches!(found.conditions[0].verdict, Verdict::Inconclusive { .. }), "{:?}", found.conditions);
    assert_eq!((found.conditions[1].verdict.clone(), row(&found, "p90").changes.len()), (Verdict::Pass, 1));
}

#[test]
fn all_views_say_the_same() {
    let found = compared(&usual(), &with(|_, load| load.slow.push((10_000, 1_200))), &["p95>+10%"]);
    for view in [text(&found), markdown(&found)] {
        for words in
            ["before", "after", "worse", "can't tell", "p99.9", "5.00 ms", "✗ FAIL", "p95>+10%", "one run a side"]
        {
            assert!(view.contains(words), "no {words:?} in\n{view}");
        }
    }
    let json = serde_json::to_value(&found).expect("names and numbers");
    assert_eq!(json["rows"][1]["unit"], "ms");
    assert_eq!(json["rows"][1]["changes"][0]["standing"], "worse");
}

#[test]
fn conditions_are_read_and_said_again() {
    for (text, said) in [
        ("p99>+10%", "p99>+10%"),
        ("P99.9 > 5 %", "p99.9>+5%"),
        ("throughput<-5%", "throughput<-5%"),
        ("errors>+0.1pp", "errors>+0.1pp"),
        ("mean>+1s", "mean>+1000ms"),
    ] {
        assert_eq!(text.parse::<Condition>().map(|condition| condition.to_string()), Ok(said.to_string()));
    }
    for (text, why) in [
        ("", "no < or >"),
        ("p99", "no < or >"),
        ("p101>1%", "\"p101\" is none of"),
        ("p99>fast", "\"\" is no number"),
        ("p99>10", "\"\" is no unit"),
        ("p99>+1pp", "\"pp\" is no unit"),
        ("errors>+1ms", "\"ms\" is no unit"),
    ] {
        assert!(text.parse::<Condition>().is_err_and(|told| told.contains(why)), "{text:?}");
    }
}

#[test]
fn latencies_that_the_generator_may_have_made_do_not_fail() {
    let lagging = with(|_, load| {
        load.slow.push((50_000, 3_000));
        load.send_lag_us = 20_000;
    });
    let verdict = |condition: &str, other: &Analysis| {
        let found = compared(&usual(), other, &[condition]);
        found.conditions[0].verdict.clone()
    };
    let reason = verdict("p95>+10%", &lagging);
    assert!(reason.reason().is_some_and(|why| why.contains("send lag")), "{reason:?}");
    let slow = with(|_, load| load.slow.push((50_000, 3_000)));
    assert_eq!(verdict("p95>+10%", &slow), Verdict::Fail);
    // What the generator made of the first run may hide what the second one has become.
    let found = compared(&lagging, &slow, &["p95>+10%", "errors>+1pp"]);
    let reason = found.conditions[0].verdict.reason();
    assert!(reason.is_some_and(|why| why.contains("send lag")), "{:?}", found.conditions[0]);
    assert_eq!(found.conditions[1].verdict, Verdict::Pass);
}
