//! What was counted and measured, in tables.

use super::text::{escaped, section, table};
use super::verdicts::badge;
use crate::series::{FaultMark, Series};
use crate::{Figure, ScenarioResult, State, Summary, SummaryPhase, Value, format};

/// A value for people; why there is none stands in a softer tone.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::NotMeasured(why) => format!("<span class=\"none\">not measured: {}</span>", escaped(why)),
        value => escaped(&value.pretty()),
    }
}

/// In a narrow cell: a dash that says on hover why there is no figure.
fn short(found: &Value) -> String {
    match found {
        Value::NotMeasured(why) => format!("<abbr title=\"{}\">–</abbr>", escaped(why)),
        found => value(found),
    }
}

/// Faults with detection and recovery; `by_the_checks` stands where the verdict is not of the fault itself.
pub(super) fn faults(series: &Series, by_the_checks: &str) -> String {
    if series.faults.is_empty() {
        return section("faults", "Faults", "<p class=\"none\">No fault was made in this run.</p>\n");
    }
    let heading = [
        ("#", true),
        ("At", true),
        ("Fault", false),
        ("Replicas", false),
        ("Effect seen", true),
        ("Detected by the cluster", true),
        ("by a client", true),
        ("Served again", true),
        ("Ready again", true),
        ("Healed", true),
        ("Verdict", false),
    ];
    let rows = series.faults.iter().map(|mark| fault(mark, by_the_checks));
    let about = "<p class=\"about\">Times of detection and recovery are since the effect was seen; ready is since the heal, \
                 where there was one. A dash says why when you point at it. The numbers are those of the marks above.</p>\n";
    section("faults", "Faults", &(about.to_owned() + &table("Faults", &heading, rows)))
}

fn fault(mark: &FaultMark, by_the_checks: &str) -> Vec<String> {
    let verdict = match &mark.verdict {
        Some(verdict) => {
            let reason = mark.reason.as_ref().map(|reason| format!("<p class=\"why\">{}</p>", escaped(reason)));
            badge(verdict) + &reason.unwrap_or_default()
        }
        None => by_the_checks.into(),
    };
    vec![
        mark.number.to_string(),
        format!("{:.1} s", mark.injected_s),
        format!("{}<p class=\"why\">{}</p>", escaped(&mark.kind), escaped(&mark.method)),
        escaped(&mark.targets),
        short(&mark.effect),
        short(&mark.detected_by_cluster),
        short(&mark.detected_by_clients),
        short(&mark.served_again),
        short(&mark.ready_again),
        short(&mark.healed),
        verdict,
    ]
}

/// "Real performance numbers".
pub(super) fn numbers(summary: &Summary) -> String {
    let groups: String = summary
        .numbers
        .iter()
        .map(|group| {
            format!("<div class=\"group\"><h3>{}</h3>\n{}</div>\n", escaped(&group.title), list(&group.figures))
        })
        .collect();
    section("numbers", "Real performance numbers", &format!("<div class=\"groups\">\n{groups}</div>\n"))
}

/// Names and values below each other.
pub(super) fn list(figures: &[Figure]) -> String {
    let pair = |figure: &Figure| format!("<dt>{}</dt><dd>{}</dd>\n", escaped(&figure.name), value(&figure.value));
    format!("<dl>\n{}</dl>\n", figures.iter().map(pair).collect::<String>())
}

/// The timeline, and under each phase what it found.
pub(super) fn phases(summary: &Summary) -> String {
    let told = |ms: Option<u64>| ms.map_or_else(|| "not measured".into(), format::duration_ms);
    let heading = [("Phase", false), ("Planned", true), ("Actual", true), ("", false)];
    let rows = summary.timeline.iter().map(|line| {
        let state = match &line.state {
            State::Complete => String::new(),
            State::Cut => "cut short".into(),
            State::Skipped { reason } => format!("skipped: {}", escaped(reason)),
        };
        let actual = if matches!(line.state, State::Skipped { .. }) { "none".into() } else { told(line.actual_ms) };
        vec![format!("{}. {}", line.phase, escaped(&line.title)), line.planned(), actual, state]
    });
    let mut body = table("Timeline", &heading, rows);
    summary.phases.iter().for_each(|found| body += &phase(found));
    section("phases", "Phases", &body)
}

fn phase(found: &SummaryPhase) -> String {
    if found.figures.is_empty() && found.scenarios.is_empty() {
        return String::new();
    }
    let scenarios: String = found.scenarios.iter().map(scenario).collect();
    format!(
        "<details><summary>{}. {}</summary>\n{}<div class=\"groups\">\n{scenarios}</div></details>\n",
        found.phase,
        escaped(&crate::summary::title(&found.name)),
        if found.figures.is_empty() { String::new() } else { list(&found.figures) },
    )
}

fn scenario(result: &ScenarioResult) -> String {
    let reason = result.reason.as_ref().map(|reason| format!("<p class=\"why\">{}</p>\n", escaped(reason)));
    let mut figures = vec![result.figure.clone()];
    figures.extend(result.figures.iter().cloned());
    format!(
        "<div class=\"group\"><h3>{}: {}</h3>\n{}{}</div>\n",
        escaped(&crate::summary::title(&result.name)),
        result.outcome,
        reason.unwrap_or_default(),
        list(&figures)
    )
}

/// Every planned request with its fate.
pub(super) fn ledger(summary: &Summary) -> String {
    let heading = [("Phase", false), ("Kind", false), ("Planned", true), ("Ok", true), ("Other fates", false)];
    let rows = summary.ledger.iter().map(|line| {
        let name = summary.phases.iter().find(|phase| phase.phase == line.phase).map_or("?", |phase| &phase.name);
        let others = line.fates.iter().filter(|(fate, _)| *fate != erlmcp_record::Fate::Ok);
        let others: Vec<String> =
            others.map(|(fate, count)| format!("{} {}", fate.name(), format::count(count))).collect();
        vec![
            escaped(&crate::summary::title(name)),
            format!("{:?}", line.kind).to_lowercase(),
            format::count(line.planned),
            format::count(line.fates.get(erlmcp_record::Fate::Ok)),
            if others.is_empty() { "none".into() } else { others.join(", ").replace('_', " ") },
        ]
    });
    let planned: u64 = summary.ledger.iter().map(|line| line.planned).sum();
    let fates: u64 = summary.ledger.iter().map(|line| line.fates.total()).sum();
    let about = format!(
        "<p class=\"about\">Every planned request has exactly one fate: {} planned, {} fates.</p>\n",
        format::count(planned),
        format::count(fates)
    );
    section("ledger", "Ledger", &(about + &table("Ledger", &heading, rows)))
}
