//! What the run came to.

use super::text::{escaped, section, table};
use crate::capacity::Capacity;
use crate::verdict::{Check, Verdict};
use crate::{Finish, Summary};

/// "PASS", "FAIL", ...: without its mark.
pub(crate) fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Fail => "FAIL",
        Verdict::Inconclusive { .. } => "INCONCLUSIVE",
        Verdict::Skipped { .. } => "SKIPPED",
    }
}

fn class(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Inconclusive { .. } => "unsure",
        Verdict::Skipped { .. } => "skipped",
    }
}

/// Mark and word: the colour only repeats them.
pub(super) fn badge(verdict: &Verdict) -> String {
    format!("<span class=\"badge {}\">{}</span>", class(verdict), verdict.mark())
}

/// The verdict of all of it, on top of a page; `list` is HTML.
pub(super) fn banner(verdict: &Verdict, said: &str, list: &str) -> String {
    format!(
        "<section id=\"verdict\" class=\"verdict {}\" aria-label=\"Verdict\">\n<p class=\"mark\">{}</p>\n<div><p class=\"said\">{said}</p>{list}</div>\n</section>\n",
        class(verdict),
        verdict.mark()
    )
}

/// The verdict of the run and the five SLAs.
pub(super) fn top(summary: &Summary) -> String {
    let readiness = &summary.readiness;
    let said = match &readiness.verdict {
        Verdict::Pass => "Production ready: every check passed.",
        Verdict::Fail => "Not production ready.",
        Verdict::Inconclusive { .. } => "Not known to be production ready: some of it cannot be judged.",
        Verdict::Skipped { .. } => "What was measured passed, and not all was measured.",
    };
    let mut against: Vec<String> = summary.invalid.iter().cloned().collect();
    against.extend(readiness.against.iter().filter(|text| Some(*text) != summary.invalid.as_ref()).cloned());
    if summary.finish == Finish::Unfinished {
        against.push("no figure of a run that has no end can be relied on".into());
    }
    let mut against: String = against.iter().map(|text| format!("<li>{}</li>", escaped(text))).collect();
    against += &open(summary);
    let list = if against.is_empty() { String::new() } else { format!("<ul class=\"against\">{against}</ul>") };
    banner(&readiness.verdict, said, &list)
        + &summary.capacity.as_ref().map_or_else(|| slas(summary), capacity)
        + &suite(summary)
}

/// The checks that failed, and then those that show nothing: the first few.
fn open(summary: &Summary) -> String {
    const MOST: usize = 6;
    let of = |is: fn(&Verdict) -> bool| summary.checks.iter().filter(move |check| is(&check.verdict));
    let failed = of(|verdict| *verdict == Verdict::Fail);
    let unsure = of(|verdict| matches!(verdict, Verdict::Inconclusive { .. }));
    let all: Vec<&Check> = failed.chain(unsure).collect();
    let line = |check: &&Check| {
        let (mark, name) = (check.verdict.mark(), escaped(&check.name));
        let limit = escaped(&check.threshold.text());
        // Of several reasons the first; the list of checks has all.
        let first = check.verdict.reason().and_then(|reason| reason.split("; ").next());
        let why = first.map(|reason| format!("<p class=\"why\">{}</p>", escaped(reason))).unwrap_or_default();
        format!("<li>{mark}: <b>{name} {}</b>, limit {limit}{why}</li>", escaped(&check.actual()))
    };
    let rest = all.len().saturating_sub(MOST);
    let rest = if rest == 0 { String::new() } else { format!("<li>and <a href=\"#checks\">{rest} more</a></li>") };
    all.iter().take(MOST).map(line).collect::<String>() + &rest
}

/// A figure, its unit in a smaller size.
fn figure(check: &Check) -> String {
    let text = check.actual();
    match text.rsplit_once(' ') {
        Some((number, unit)) if check.estimate.is_some() => {
            format!("{} <small>{}</small>", escaped(number), escaped(unit))
        }
        _ => escaped(&text),
    }
}

fn slas(summary: &Summary) -> String {
    let cards: String = summary.checks.iter().filter(|check| check.is_headline()).map(card).collect();
    if cards.is_empty() {
        return String::new();
    }
    format!("<section id=\"slas\" class=\"cards\" aria-label=\"Service levels\">\n{cards}</section>\n")
}

fn card(check: &Check) -> String {
    let reason = check.verdict.reason().map(|reason| format!("<p class=\"why\">{}</p>", escaped(reason)));
    let reason = reason.unwrap_or_default() + &see(check);
    format!(
        "<article class=\"card {}\" data-check=\"{}\">\n<h3>{}</h3>\n<p class=\"figure\">{}</p>\n<p class=\"limit\">limit {}{}</p>\n{}\n<p class=\"basis\">{}</p>{}</article>\n",
        class(&check.verdict),
        check.id,
        escaped(&check.name),
        figure(check),
        escaped(&check.threshold.text()),
        escaped(&check.changed()),
        badge(&check.verdict),
        escaped(&check.basis()),
        reason
    )
}

/// Where docs/doctor.md explains it: a name and no link, since the page works where erlmcp's documents are not.
fn see(check: &Check) -> String {
    let line = |entry: String| {
        format!("<p class=\"why\">see <code>{}</code>, or ask <code>erlmcp doctor</code></p>", escaped(&entry))
    };
    check.see().map(line).unwrap_or_default()
}

fn capacity(found: &Capacity) -> String {
    let cells = |row: Vec<String>| row.iter().map(|cell| escaped(cell)).collect::<Vec<_>>();
    let heading = Capacity::CURVE_HEADING.map(|name| (name, false));
    let mut body = format!("<p>Objective: <code>{}</code>. Intervals are of 95 %.</p>\n", escaped(&found.asked.slo));
    body += &table("Capacity", &heading, found.curve().into_iter().map(|row| cells(row.to_vec())));
    found.advice().iter().for_each(|advice| body += &format!("<p>{}.</p>\n", escaped(advice)));
    let heading = Capacity::TRIAL_HEADING.map(|name| (name, false));
    let trials = table("Trials", &heading, found.trial_cells().into_iter().map(|row| cells(row.to_vec())));
    body += &format!("<details><summary>All trials</summary>\n{trials}</details>\n");
    section("capacity", "Capacity", &body)
}

/// The comprehensive suite's phases, a line each.
fn suite(summary: &Summary) -> String {
    if summary.suite.is_empty() {
        return String::new();
    }
    let heading = [("Phase", false), ("Verdict", false), ("Checks that pass", true), ("Found", false)];
    let rows = summary.suite.iter().map(|phase| {
        vec![
            format!("{}. {}", phase.phase, escaped(&phase.title)),
            badge(&phase.verdict),
            format!("{} of {}", phase.passed, phase.checks),
            escaped(&phase.line),
        ]
    });
    section("suite", "The suite", &table("Phases of the suite", &heading, rows))
}

/// Every check, with what it rests on.
pub(super) fn checks(summary: &Summary) -> String {
    let heading = [("Check", false), ("Limit", true), ("Actual", true), ("Verdict", false), ("Basis", false)];
    let rows = summary.checks.iter().map(|check| {
        let why = [check.verdict.reason(), check.advice.as_deref()].into_iter().flatten().map(escaped);
        let why: String = why.map(|text| format!("<p class=\"why\">{text}</p>")).collect::<String>() + &see(check);
        vec![
            format!("{} <code>{}</code>", escaped(&check.name), check.id),
            escaped(&(check.threshold.text() + &check.changed())),
            escaped(&check.actual()),
            badge(&check.verdict) + &why,
            escaped(&check.basis()),
        ]
    });
    section("checks", "Every check", &table("Checks", &heading, rows))
}
