//! What other programs read of a run.

use std::collections::BTreeMap;

use erlmcp_record::names::phase;
use erlmcp_record::{
    Axis, CapacityAsked, CapacityRow, ClassLimit, ClassRow, Entry, Fate, JournalWriter, LimitBy, LimitRow, PhaseEvent,
    SearchBounds, WorkloadRow,
};
use erlmcp_report::verdict::Verdict;
use erlmcp_report::{Summary, bundle, render, replay};
use quick_junit::{NonSuccessKind, Report, TestCaseStatus};

use crate::story::{self, Story, analysis};
use crate::{reason, verdict};

/// Fails, has an inconclusive check, and skips two phases.
fn mixed() -> Summary {
    let story = Story::short().with_load(|_, load| {
        load.ok -= 12;
        load.others.extend([(Fate::HttpError, 12)]);
    });
    story.summary()
}

fn counted(summary: &Summary, of: fn(&Verdict) -> bool) -> usize {
    summary.checks.iter().filter(|check| of(&check.verdict)).count()
}

#[test]
fn junit_has_a_suite_a_phase_and_a_case_a_check() {
    let summary = mixed();
    let text = render::junit(&summary);
    let report = Report::deserialize_from_str(&text).expect("JUnit");
    let cases = || report.test_suites.iter().flat_map(|suite| &suite.test_cases);
    assert_eq!(cases().count(), summary.checks.len());
    let of = |kind: NonSuccessKind| {
        let is =
            |status: &TestCaseStatus| matches!(status, TestCaseStatus::NonSuccess { kind: own, .. } if *own == kind);
        cases().filter(|case| is(&case.status)).count()
    };
    assert_eq!(of(NonSuccessKind::Failure), counted(&summary, |verdict| *verdict == Verdict::Fail));
    assert_eq!(of(NonSuccessKind::Error), counted(&summary, |verdict| matches!(verdict, Verdict::Inconclusive { .. })));
    assert!(of(NonSuccessKind::Failure) > 0 && of(NonSuccessKind::Error) > 0);
    assert_eq!((report.tests, report.failures), (summary.checks.len(), of(NonSuccessKind::Failure)));
    let names: Vec<&str> = report.test_suites.iter().map(|suite| suite.name.as_str()).collect();
    assert_eq!((names[0], names[names.len() - 1]), ("1. Baseline", "The whole run"));
}

/// A sample's name with its labels, and its value.
fn samples(text: &str) -> BTreeMap<&str, f64> {
    let mut families = Vec::new();
    let mut found = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a type");
            assert!(kind == "gauge" && !families.contains(&name), "{line}");
            families.push(name);
        } else if !line.starts_with("# HELP ") {
            let (sample, value) = line.rsplit_once(' ').expect("a sample and a value");
            let name = sample.split('{').next().expect("a name");
            assert_eq!(families.last(), Some(&name), "a sample stands under its family");
            assert!(found.insert(sample, value.parse().expect("a number")).is_none(), "{sample} is there twice");
        }
    }
    found
}

#[test]
fn prometheus_has_every_verdict_and_no_figure_that_was_not_measured() {
    let mut story = Story::short();
    story.is_foreign = true;
    let summary = story.summary();
    let text = render::prometheus(&summary);
    let samples = samples(&text);
    for check in &summary.checks {
        let verdicts: Vec<&str> = ["pass", "fail", "inconclusive", "skipped"]
            .into_iter()
            .filter(|word| {
                samples[format!("erlmcp_run_check_verdict{{check=\"{}\",verdict=\"{word}\"}}", check.id).as_str()]
                    == 1.0
            })
            .collect();
        let mark = check.verdict.mark().to_lowercase();
        assert!(verdicts.len() == 1 && mark.contains(verdicts[0]), "{}: {verdicts:?}", check.id);
        let unit = &check.threshold.unit;
        let sample = format!("erlmcp_run_check{{check=\"{}\",unit=\"{unit}\"}}", check.id);
        assert_eq!(samples.get(sample.as_str()).copied(), check.estimate);
    }
    // A phase has one name in all of them.
    let of_load = "phase=\"sustained_load\"";
    assert!(samples.contains_key(format!("erlmcp_run_phase_seconds{{{of_load}}}").as_str()), "{text}");
    assert!(samples.keys().any(|name| name.starts_with(&format!("erlmcp_run_requests{{{of_load},"))), "{text}");
    assert_eq!(samples["erlmcp_run_exit_code"], f64::from(erlmcp_report::exit_code(&summary) as u8));
    assert!(text.contains("figure=\"P95 Latency\",unit=\"seconds\"} 0.005"), "{text}");
}

/// Of names in other letters than ASCII; and of a record from when one figure could have two limits.
#[test]
fn prometheus_has_every_limit_of_a_workload_once() {
    let limit = |limit_ms: f64| ClassLimit::Latency { percent: 99.0, limit_ms };
    let class = |name: &str| ClassRow { name: name.into(), share: 0.5, limits: vec![limit(50.0), limit(100.0)] };
    let mut story = Story::short();
    let classes = vec![class("поиск"), class("выбор")];
    story.config.workload = Some(WorkloadRow { name: "w.toml".into(), classes, misbehaving: Vec::new() });
    let text = render::prometheus(&story.summary());
    let samples = samples(&text);
    let limits = samples.keys().filter(|sample| sample.starts_with("erlmcp_run_check_limit{check=\"workload."));
    assert_eq!(limits.count(), 4, "{text}");
}

#[test]
fn a_step_summary_says_what_did_not_pass() {
    let summary = mixed();
    let text = render::github(&summary);
    assert!(text.starts_with("## ✗ FAIL erlmcp stress\n"), "{text}");
    assert!(text.contains("| Error Rate | < 0.05% | 0.100% | ✗ FAIL |"), "{text}");
    let table = text.split("### What did not pass").nth(1).expect("a table").split("<details>").next().expect("rows");
    let open = summary.checks.len() - counted(&summary, |verdict| *verdict == Verdict::Pass);
    assert_eq!(table.lines().filter(|line| line.starts_with("| ")).count(), open + 1);
}

#[test]
fn a_step_summary_has_what_a_search_has_found_and_the_phases_of_the_suite() {
    let search = analysis(&crate::schema::every_row()).summary();
    let (report, text) = (render::markdown(&search), render::github(&search));
    let found = report.split("\n\n").nth(1).expect("a table under the title");
    assert!(found.starts_with("| Connections | Requests/s |") && text.contains(found), "{text}");
    let suite = Story::comprehensive(|_| {}).summary();
    let text = render::github(&suite);
    assert!(text.contains("| Phase | Checks that pass | Found | Status |\n"), "{text}");
    assert!(text.contains(&format!("| 2. {} | 6 of 6 |", suite.suite[1].title)), "{text}");
}

fn asked(bounds: SearchBounds) -> Entry {
    Entry::Capacity(CapacityRow::Asked(CapacityAsked {
        slo: "p99<100ms".into(),
        precision: 0.03,
        replicas: 1,
        bounds: Some(bounds),
        wanted: None,
    }))
}

#[test]
fn a_search_that_was_given_up_was_sought() {
    let bounds = SearchBounds { most_rate: Some(200_000), most_connections: Some(20_000), trial_s: 5, warmup_s: 2 };
    let of = |bounds: SearchBounds| {
        let mut rows = Story::short().rows();
        rows.push(story::rows::phase(9, phase::CAPACITY, PhaseEvent::Started, 0, 0));
        rows.push(asked(bounds));
        rows.push(Entry::Capacity(CapacityRow::Limit(LimitRow {
            search: 1,
            axis: Axis::Rate,
            fixed: 1_000.0,
            by: LimitBy::Unsettled,
            estimate: None,
            low: 500.0,
            high: None,
            trials: 4,
            why: "30 s were not enough".into(),
        })));
        analysis(&rows).summary()
    };
    let summary = of(bounds);
    assert_eq!(verdict(&summary, "capacity.connections_count"), "INCONCLUSIVE");
    assert_eq!(
        reason(&summary, "capacity.connections_count"),
        "the search of requests/s ended before it: the target did not come back: 30 s were not enough"
    );
    let summary = of(SearchBounds { most_connections: None, ..bounds });
    assert_eq!(reason(&summary, "capacity.connections_count"), "not sought");
}

#[test]
fn a_search_has_no_load_and_no_duration_but_those_of_its_trials() {
    let mut rows = Story::short().rows();
    let bounds = SearchBounds { most_rate: Some(200_000), most_connections: Some(20_000), trial_s: 5, warmup_s: 2 };
    rows.push(asked(bounds));
    let summary = analysis(&rows).summary();
    let report = render::markdown(&summary);
    for line in ["Connections at most | 20,000", "Requests/s at most | 200,000", "Trial | 5 s after 2 s of warm-up"] {
        assert!(report.contains(&format!("| {line} |")), "{report}");
    }
    for name in ["Connections | 3,000", "Duration", "Offered load", "Failure scenarios", "Performance scenarios"] {
        assert!(!report.contains(&format!("\n| {name} | ")), "{name}: {report}");
    }
    let page = render::html(&summary, &crate::pages::series(&rows));
    assert!(page.contains("<h1>Capacity, p99&lt;100ms, up to 200,000 req/s and 20,000 connections</h1>"));
    assert!(page.contains("<dt>Requests/s at most</dt><dd>200,000</dd>"));
    assert!(!page.contains("<dt>Load</dt>") && !page.contains("<dt>Warm-up</dt>"));
}

#[test]
fn a_step_summary_has_no_markup_of_a_record() {
    let mut summary = mixed();
    summary.configuration.as_mut().expect("it is known").target = "http://a/`![x](http://b)<img>".into();
    summary.readiness.against = vec!["![x](http://b) <img>".into()];
    let text = render::github(&summary);
    assert!(text.contains("`` http://a/`![x](http://b)<img> ``"), "{text}");
    assert!(text.contains(r"- ![x\](http://b) &lt;img>"), "{text}");
}

#[test]
fn every_view_names_the_entry_of_what_did_not_pass() {
    let mut story = Story::short().with_load(|_, load| {
        load.ok -= 12;
        load.others.extend([(Fate::HttpError, 12)]);
    });
    story.config.asserts = Some("errors<0.01%".into());
    let (summary, series) = (story.summary(), crate::pages::series(&story.rows()));
    let entries: Vec<String> = summary.checks.iter().filter_map(|check| check.see()).collect();
    assert!(entries.iter().any(|entry| entry == "docs/doctor.md#assertion"), "{entries:?}");
    let (junit, github) = (render::junit(&summary), render::github(&summary));
    let (page, console, markdown) =
        (render::html(&summary, &series), render::console(&summary), render::markdown(&summary));
    for (view, text) in
        [("junit", &junit), ("github", &github), ("html", &page), ("console", &console), ("markdown", &markdown)]
    {
        entries.iter().for_each(|entry| assert!(text.contains(entry.as_str()), "{view} does not name {entry}"));
    }
    // One message a case that did not pass, and no other.
    assert_eq!(junit.matches("docs/doctor.md#").count(), entries.len());
}

#[test]
fn a_bundle_is_the_run_and_says_when_it_is_not() {
    let rows = Story::short().rows();
    let folder = tempfile::tempdir().expect("a folder");
    let mut journal = JournalWriter::create(folder.path()).expect("a journal");
    rows.iter().for_each(|row| journal.append(row).expect("written"));
    journal.flush().expect("written");
    std::fs::write(folder.path().join("run.log"), "x".repeat(200_000)).expect("written");
    std::fs::write(folder.path().join("secret.txt"), "not of the run").expect("written");
    let packed = folder.path().join("run.tar.zst");
    let manifest = bundle::pack(folder.path(), &packed, "0.0.1").expect("packed");
    let names: Vec<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["journal.jsonl", "run.log"]);
    assert_eq!((manifest.exit_code, manifest.audit.as_str()), (3, "unknown"));

    let unpacked = bundle::unpack(&packed).expect("unpacked");
    assert_eq!(unpacked.manifest, manifest);
    for name in names {
        let of = |folder: &std::path::Path| std::fs::read(folder.join(name)).expect("a file");
        assert!(of(unpacked.folder()) == of(folder.path()), "{name}");
    }
    let mut seconds = 0;
    let again = replay(unpacked.folder(), |_| seconds += 1).expect("a record").summary();
    assert_eq!((again.checks, seconds), (analysis(&rows).summary().checks, analysis(&rows).take_rest().len()));

    let bytes = std::fs::read(&packed).expect("a file");
    let mut wrong = 0;
    for at in [bytes.len() / 3, bytes.len() / 2, bytes.len() - 9] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        std::fs::write(&packed, damaged).expect("written");
        wrong += usize::from(bundle::unpack(&packed).is_err());
    }
    assert_eq!(wrong, 3, "a changed byte is found");
    std::fs::write(&packed, "no bundle").expect("written");
    let error = bundle::unpack(&packed).expect_err("no bundle").to_string();
    assert!(error.contains("is not a bundle of a run"), "{error}");
    let nothing = tempfile::tempdir().expect("a folder");
    let error = bundle::pack(nothing.path(), &packed, "0.0.1").expect_err("no run").to_string();
    assert!(error.contains("is not the folder of a run"), "{error}");
}
