//! report.html and what it draws, from fixed records.

use erlmcp_record::names::scenario;
use erlmcp_record::{Entry, Fate, JournalWriter};
use erlmcp_report::series::{FaultMark, Series, SeriesBuilder};
use erlmcp_report::{Analysis, SecondView, Summary, render, replay};
use serde_json::Value;

use crate::story::{LOAD_FROM, Story, analysis};

fn recorded(rows: &[Entry]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut journal = JournalWriter::create(folder.path()).expect("a journal");
    rows.iter().for_each(|row| journal.append(row).expect("written"));
    journal.flush().expect("written");
    folder
}

fn replayed(rows: &[Entry]) -> (Analysis, Series) {
    let folder = recorded(rows);
    let mut series = SeriesBuilder::default();
    let analysis = replay(folder.path(), |second| series.push(second)).expect("a record");
    let series = series.finish(&analysis);
    (analysis, series)
}

/// What a page of these rows draws.
pub(crate) fn series(rows: &[Entry]) -> Series {
    replayed(rows).1
}

fn page(rows: &[Entry]) -> (Summary, String) {
    let (analysis, series) = replayed(rows);
    let summary = analysis.summary();
    let page = render::html(&summary, &series);
    (summary, page)
}

#[test]
fn a_fault_through_the_proxy_has_a_verdict_of_its_own() {
    let mut story = Story::whole();
    story.seconds = 20;
    let mut rows = story.rows();
    for row in &mut rows {
        if let Entry::Fault(row) = row
            && row.scenario == scenario::NETWORK_PARTITION
        {
            (row.scenario, row.kind) = (scenario::FAULTS_THROUGH_PROXY.into(), "loss".into());
            (row.expected.healed, row.heal_verified_us) = (true, None);
        }
    }
    assert!(page(&rows).1.contains("not seen to be healed"));
}

/// What the script of the page reads.
fn embedded(page: &str) -> Value {
    let json = page.split("<script type=\"application/json\" id=\"series\">").nth(1).expect("it is there");
    serde_json::from_str(json.split("</script>").next().expect("it ends")).expect("JSON")
}

/// A line's values, as the script works them out.
fn values(series: &Value, chart: &str, label: &str) -> Vec<Option<f64>> {
    let charts = series["charts"].as_array().expect("charts");
    let chart = charts.iter().find(|one| one["id"] == chart).expect("the chart");
    let line = chart["lines"].as_array().expect("lines").iter().find(|one| one["label"] == label).expect("the line");
    let scale = 10_f64.powi(line["decimals"].as_i64().expect("decimals") as i32);
    let (mut found, mut last) = (Vec::new(), 0);
    for entry in line["deltas"].as_array().expect("deltas") {
        let (delta, times) = match entry.as_array() {
            Some(run) => (run[0].as_i64(), run[1].as_u64().expect("a number of times")),
            None => (entry.as_i64(), 1),
        };
        for _ in 0..times {
            last += delta.unwrap_or(0);
            found.push(delta.map(|_| last as f64 / scale));
        }
    }
    found
}

/// The first second that differs, where one does.
fn same(drawn: &[Option<f64>], expected: &[Option<f64>]) {
    let differs = drawn.iter().zip(expected).enumerate().find(|(_, (drawn, expected))| drawn != expected);
    assert!(
        differs.is_none() && drawn.len() == expected.len(),
        "{differs:?} of {} and {}",
        drawn.len(),
        expected.len()
    );
}

#[test]
fn the_page_has_the_figures_of_the_report_and_of_the_seconds() {
    let rows = Story::whole().rows();
    let (summary, page) = page(&rows);
    let series = embedded(&page);
    let mut seconds = Vec::new();
    replay(recorded(&rows).path(), |second| seconds.push(second.clone())).expect("a record");
    let of = |get: fn(&SecondView) -> Option<f64>| seconds.iter().map(get).collect::<Vec<_>>();
    let expected = of(|second| Some(second.connections as f64));
    same(&values(&series, "connections", "as the agents count"), &expected);
    same(&values(&series, "requests", "offered"), &of(|second| Some(second.offered_rps)));
    same(&values(&series, "latency", "P95"), &of(|second| second.p95_ms));
    let resets = values(&series, "errors", "connection reset");
    let told: u64 = seconds.iter().filter_map(|second| second.errors.get("connection reset")).sum();
    assert_eq!(resets.iter().flatten().sum::<f64>(), told as f64);
    assert!(told > 0 && resets.len() == seconds.len());
    for check in summary.checks.iter().filter(|check| check.id.starts_with("sla.")) {
        let card = page.split(&format!("data-check=\"{}\"", check.id)).nth(1).expect("a card of the check");
        let card = card.split("</article>").next().expect("it ends");
        let figure = card.replace("<small>", "").replace("</small>", "");
        assert!(figure.contains(&format!("<p class=\"figure\">{}</p>", check.actual())), "{card}");
        assert!(card.contains(check.verdict.mark()), "{card}");
    }
    assert_eq!(page.matches("<code>").count() - page.matches("<pre").count(), summary.checks.len());
    // The two outages and the filled queue of the failure phase, numbered by their time.
    let faults = series["faults"].as_array().expect("faults");
    assert_eq!(faults.iter().map(|fault| fault["number"].as_u64()).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
    assert!(page.contains("Node Failure") && page.contains("SIGKILL of the process"));
}

#[test]
fn the_map_and_the_curve_have_every_request() {
    let story = Story::short().with_load(|_, load| load.slow.push((140_000, 1_000)));
    let (_, series) = replayed(&story.rows());
    let mapped: u64 = series.heat.columns.iter().flat_map(|column| column.iter().skip(1)).sum();
    assert_eq!(mapped, 70 * 12_000);
    let first = &series.heat.columns[LOAD_FROM as usize];
    let row_of = |us: f64| (us.log2() * f64::from(series.heat.rows_an_octave)) as u64;
    assert_eq!((first[0], *first.last().expect("rows")), (row_of(5_000.0), 1_000));
    let line = &series.curve.lines[0];
    // The judged 60 seconds; 1,000 of 12,000 are slow, so that 90 % are not.
    assert_eq!((line.requests, series.curve.of), (60 * 12_000, "the judged seconds of the sustained load"));
    assert!(line.ms[12] < 6.0 && line.ms[24] > 130.0, "{:?}", line.ms);
}

#[test]
fn nothing_is_loaded_and_no_text_of_the_run_is_markup() {
    let mut story = Story::short();
    story.config.target = "http://127.0.0.1/</script><script>alert(1)</script>".into();
    story.config.calls = "tools/call <img src=x onerror=alert(2)>".into();
    let (_, page) = page(&story.rows());
    assert!(!page.contains("<script>alert(1)") && !page.contains("<img"), "it is escaped");
    for loads in ["src=\"", "@import", "url(", "href=\"http", "fetch("] {
        assert!(!page.contains(loads), "{loads}");
    }
    assert!(page.contains("default-src 'none'"));
    assert_eq!(page.matches("</script>").count(), 3, "the data, the library and the script of the page");
}

#[test]
fn the_verdict_says_why_a_check_is_inconclusive() {
    let story = Story::short().with_load(|second, load| {
        if second == 30 {
            load.ok -= 1;
            load.others.push((Fate::UnsentNoTime, 1));
        }
    });
    let (_, page) = page(&story.rows());
    let verdict = page.split("<section id=\"verdict\"").nth(1).expect("the verdict").split("</section>").next();
    let why = "<p class=\"why\">the generator itself did not send 1 requests: use more --agents, or a lower --rate</p>";
    assert!(verdict.is_some_and(|verdict| verdict.contains(why)), "{verdict:?}");
}

#[test]
fn what_was_not_measured_says_why() {
    let mut story = Story::short();
    story.is_foreign = true;
    let (_, page) = page(&story.rows());
    assert!(page.contains("Nothing to draw: the target has no /metrics."), "the charts of the server");
    let section = page.split("id=\"unmeasured\"").nth(1).expect("the section");
    let section = section.split("</section>").next().expect("it ends");
    assert!(section.contains("the target has no /metrics") && section.contains("Memory per Connection"), "{section}");
}

#[test]
fn why_a_time_of_a_fault_is_missing_can_be_read() {
    let (analysis, mut series) = replayed(&Story::whole().rows());
    let summary = analysis.summary();
    let unmeasured = |series: &Series| {
        let page = render::html(&summary, series);
        let section = page.split("id=\"unmeasured\"").nth(1).expect("the section");
        section.split("</section>").next().expect("it ends").to_owned()
    };
    series.faults[1].served_again = erlmcp_report::Value::NotMeasured("nobody asked it".into());
    assert!(unmeasured(&series).contains("<th scope=\"row\">nobody asked it</th><td>fault 2: served again</td>"));
    series.faults = (1..=5_000).map(|number| FaultMark { number, ..series.faults[1].clone() }).collect();
    let section = unmeasured(&series);
    assert!(section.contains("fault 100: served again") && !section.contains("fault 101:"), "{section}");
    assert!(section.contains("times of faults after number 100"), "{section}");
}

#[test]
fn a_long_run_is_drawn_in_fewer_points() {
    let mut series = SeriesBuilder::default();
    for second in 0..5_000 {
        let offered_rps = if second == 4_001 { 900.0 } else { 100.0 };
        series.push(&SecondView { second, offered_rps, connections: u64::from(second), ..SecondView::default() });
    }
    let json = serde_json::to_value(series.finish(&Analysis::new())).expect("JSON");
    assert_eq!((json["step_s"].as_u64(), json["points"].as_u64()), (Some(4), Some(1_250)));
    let offered = values(&json, "requests", "offered");
    assert_eq!((offered[999], offered[1_000]), (Some(100.0), Some(300.0)));
    assert_eq!(values(&json, "connections", "as the agents count")[1_249], Some(4_999.0));
}

/// Percentiles of points of several seconds are those of their requests, not the mean of the seconds'.
#[test]
fn the_latency_of_a_long_run_is_of_merged_histograms() {
    let story = Story::short().with_load(|second, load| {
        load.slow.extend((second % 4 == 3).then_some((140_000, 5_000)));
    });
    let rows = story.rows();
    let mut analysis = analysis(&rows);
    let mut series = SeriesBuilder::default();
    let seconds = analysis.take_rest();
    seconds.iter().for_each(|second| series.push(second));
    series.push(&SecondView { second: 9_000, ..SecondView::default() });
    let json = serde_json::to_value(series.finish(&analysis)).expect("JSON");
    assert_eq!(json["step_s"], 4);
    let of = |label: &str| values(&json, "latency", label)[LOAD_FROM as usize / 4 + 4].expect("there is load");
    // 5,000 of 48,000 are slow.
    assert!((5.0..5.1).contains(&of("P50")) && (140.0..142.0).contains(&of("P95")), "{} {}", of("P50"), of("P95"));
}

/// Far back the histograms of a minute are in one of its seconds: its other points have that one, not none.
#[test]
fn the_latency_of_hours_ago_is_drawn_at_every_point() {
    let mut rows = Story::short().with_load(|_, load| load.slow.push((140_000, 1_000))).rows();
    let last = rows.iter().rev().find_map(|row| if let Entry::Cluster(sample) = row { Some(sample) } else { None });
    let mut hours_later = last.expect("a story has samples").clone();
    hours_later.second = 8_000;
    hours_later.at_us = 8_000_000_000;
    rows.insert(rows.len() - 1, Entry::Cluster(hours_later));
    let (analysis, series) = replayed(&rows);
    let json = serde_json::to_value(&series).expect("JSON");
    assert_eq!(json["step_s"], 4);
    let (offered, p95) = (values(&json, "requests", "offered"), values(&json, "latency", "P95"));
    let loaded: Vec<usize> = (0..series.points).filter(|at| offered[*at] > Some(0.0)).collect();
    assert!(loaded.len() >= 70 / 4, "{loaded:?}");
    for at in loaded {
        assert!(p95[at].is_some_and(|ms| (140.0..142.0).contains(&ms)), "{at}: {:?}", p95[at]);
        assert!(series.heat.columns[at].len() > 1, "{at}: {:?}", series.heat.columns[at]);
    }
    assert!(render::html(&analysis.summary(), &series).contains("are those of whole minutes"));
}
