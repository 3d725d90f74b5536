use erlmcp_record::ScenarioRow;
use erlmcp_record::names::{detail, finding, phase, scenario};

use super::{SuitePhase, said, scene, value};
use crate::analysis::Analysis;
use crate::facts::Facts;
use crate::format;
use crate::summary::{Figure, Value, baseline_figures, found};
use crate::verdict::Comparison::{AtLeast, Below};
use crate::verdict::{Estimate, Evidence, Judge, Threshold, latency, reachable, row};

pub(super) const PHASE: SuitePhase =
    SuitePhase { name: phase::CONNECTIVITY, thresholds: THRESHOLDS, enter, figures, line };

const ENDPOINTS: &str = "connectivity.endpoints_percent";
const REACHABLE: &str = "connectivity.reachable_percent";
const COLD: &str = "connectivity.cold_ms";
const WARM: &str = "connectivity.warm_ms";

const THRESHOLDS: &[Threshold] = &[
    row(ENDPOINTS, "Endpoints that answer", phase::CONNECTIVITY, AtLeast, 100.0, "%"),
    row(REACHABLE, "Requests at rest that succeed", phase::CONNECTIVITY, AtLeast, 100.0, "%"),
    row(COLD, "Latency on a new connection (median)", phase::CONNECTIVITY, Below, 100.0, "ms"),
    row(WARM, "Latency on a warm connection (median)", phase::CONNECTIVITY, Below, 50.0, "ms"),
];

/// The median of fewer knocks says little.
const KNOCKS_MIN: u64 = 20;

fn enter(judge: &mut Judge<'_>) {
    let analysis = judge.analysis;
    let number = analysis.phase_named(phase::CONNECTIVITY).map_or(0, |(number, _)| number);
    let doors = doors(analysis, number);
    judge.enter(ENDPOINTS, endpoints(&doors));
    judge.enter(REACHABLE, reachable(analysis, number));
    judge.enter(COLD, cold(analysis, number, &doors));
    judge.enter(WARM, latency(analysis, number, judge.limit(WARM).value));
}

/// The addresses that were knocked at, by replica.
fn doors(analysis: &Analysis, number: u8) -> Vec<(u64, &ScenarioRow)> {
    scene::numbered(analysis, number, scenario::ENDPOINT)
}

fn is_open(door: &ScenarioRow) -> bool {
    door.inconclusive.is_none() && door.detail.get(detail::ANSWERED).is_some_and(|count| *count > 0.0)
}

fn endpoints(doors: &[(u64, &ScenarioRow)]) -> Evidence {
    let open = doors.iter().filter(|(_, door)| is_open(door)).count() as u64;
    let of = doors.len() as u64;
    Evidence::of(Estimate::percent(open, of), of, "endpoints", "MCP requests at each address, each on a new connection")
        .spoiled((of == 0).then_some("nobody knocked at the endpoints"))
        .advised("see the reason beside the endpoint, and whether its server runs")
}

fn cold(analysis: &Analysis, number: u8, doors: &[(u64, &ScenarioRow)]) -> Evidence {
    let Some(ms) = analysis.finding_value(number, finding::COLD_MEDIAN_MS) else {
        return Evidence::none("no knock was answered");
    };
    let answered = doors.iter().filter_map(|(_, door)| door.detail.get(detail::ANSWERED)).sum::<f64>() as u64;
    let few = (answered < KNOCKS_MIN)
        .then(|| format!("{} answered knocks are too few: needs {KNOCKS_MIN}", format::count(answered)));
    let source = "from nothing to the first answer: connect, TLS, request, answer; the name's lookup apart";
    Evidence::of(Some(Estimate::Number(ms)), answered, "knocks", source).spoiled(few)
}

fn figures(analysis: &Analysis, _facts: &Facts<'_>, number: u8) -> Vec<Figure> {
    let doors = doors(analysis, number);
    let open = doors.iter().filter(|(_, door)| is_open(door)).count() as u64;
    let with_page = |name: &str| {
        let has = |door: &&(u64, &ScenarioRow)| door.1.detail.get(name) == Some(&200.0);
        Value::Text(format!(
            "{} of {}",
            doors.iter().filter(has).count(),
            format::plural(doors.len() as u64, "endpoint")
        ))
    };
    let of_doors = |name: &str, why: &str| Value::or(median(&doors, name), Value::Ms, why);
    let none = "no knock was answered";
    let era = analysis.target.as_ref().map(|target| {
        let versions = target.versions.join(", ");
        Value::Text(if versions.is_empty() { target.era.clone() } else { format!("{} ({versions})", target.era) })
    });
    let mut figures = vec![
        Figure::new("era", era.unwrap_or_else(|| Value::NotMeasured("the record does not say".into()))),
        Figure::new("endpoints_answering_percent", Value::Share { part: open, whole: doors.len() as u64 }),
        Figure::new("endpoints_with_health", with_page(detail::HEALTH_STATUS)),
        Figure::new("endpoints_with_metrics", with_page(detail::METRICS_STATUS)),
        Figure::new("dns_ms", found(analysis, number, finding::DNS_MS, Value::Ms)),
        Figure::new("connect_ms", of_doors(detail::CONNECT_MS, none)),
        Figure::new("tls_ms", of_doors(detail::TLS_MS, "the target is spoken to without TLS")),
        Figure::new("answer_ms", of_doors(detail::ANSWER_MS, none)),
        Figure::new("cold_median_ms", found(analysis, number, finding::COLD_MEDIAN_MS, Value::Ms)),
        Figure::new("slowest_endpoint", slowest(&doors)),
    ];
    figures.extend(baseline_figures(analysis, number));
    figures
}

/// The median over the addresses of their own medians.
fn median(doors: &[(u64, &ScenarioRow)], name: &str) -> Option<f64> {
    let mut values: Vec<f64> = doors.iter().filter_map(|(_, door)| door.detail.get(name).copied()).collect();
    values.sort_by(f64::total_cmp);
    // Of an even number, the mean of the two in the middle.
    let (low, high) = (values.get(values.len().saturating_sub(1) / 2)?, values.get(values.len() / 2)?);
    Some((low + high) / 2.0)
}

fn slowest(doors: &[(u64, &ScenarioRow)]) -> Value {
    let cold = doors.iter().filter_map(|(replica, door)| Some((*door.detail.get(detail::COLD_MS)?, replica)));
    let slowest = cold.max_by(|one, other| one.0.total_cmp(&other.0));
    Value::or(slowest, |(ms, replica)| Value::Text(format!("{replica}, {}", format::ms(ms))), "no knock was answered")
}

fn line(figures: &[Figure]) -> String {
    let endpoints = match value(figures, "endpoints_answering_percent") {
        Some(Value::Share { part, whole }) => {
            format!("{} of {}", format::count(*part), format::plural(*whole, "endpoint"))
        }
        _ => "no endpoint".into(),
    };
    format!(
        "{endpoints} answering; {} on a new connection, {} on a warm one",
        said(figures, "cold_median_ms"),
        said(figures, "baseline_latency_ms")
    )
}
