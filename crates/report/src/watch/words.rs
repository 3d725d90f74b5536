//! How checks and changes are said.

use super::change::ERRORS;
use super::{Change, Check, Count, History, Outcome};
use crate::format;
use crate::stats::share_upper_bound;

/// A check as the console says it, with its line ends: one line, and one below it for each thing to know.
pub fn check_lines(check: &Check, before: &History) -> String {
    let outcome = match check.outcome {
        Outcome::Kept => "kept",
        Outcome::Violated => "VIOLATED",
        Outcome::Unreachable => "UNREACHABLE",
        Outcome::Inconclusive => "INCONCLUSIVE",
        Outcome::Failed => "not made",
    };
    let mut text = format!("{}  {outcome:<12}{}\n", when(&check.at), figures(check));
    let more = check.reasons.iter().cloned().chain(check.changes.iter().map(|change| change_line(change, check)));
    let perhaps = check.perhaps.iter().filter(|change| !before.was_possible(change));
    for line in more.chain(perhaps.map(|change| perhaps_line(change, check))) {
        text += &format!("  {line}\n");
    }
    text
}

fn figures(check: &Check) -> String {
    if check.planned == 0 {
        return String::new();
    }
    let shown = check.latency.iter().filter(|(name, _)| !["p50_ms", "max_ms"].contains(&name.as_str()));
    let mut parts: Vec<String> = shown.map(|(name, ms)| format!("{} {}", title(name), format::ms(*ms))).collect();
    parts.push(format!(
        "errors {} ({} of {})",
        format::share(check.errors, check.planned),
        format::count(check.errors),
        format::count(check.planned)
    ));
    if let Some((cause, count)) = check.causes.iter().max_by_key(|(_, count)| **count) {
        parts.push(format!("mostly {cause} ({})", format::count(*count)));
    }
    format!("  {}", parts.join(", "))
}

/// "P95 rose 40 % at 14:30 (from 10.20 ms to 14.30 ms; 12 checks before, 3 since; p = 2e-5)", as the newest check
/// says it.
pub fn change_line(change: &Change, newest: &Check) -> String {
    let what = if change.measure == ERRORS { errors(change) } else { latency(change, "rose", "fell") };
    format!("{what} {} ({})", time(&change.at, &newest.at), evidence(change))
}

fn perhaps_line(change: &Change, newest: &Check) -> String {
    let what = match change.measure == ERRORS {
        true => format!("{}, perhaps,", errors(change)),
        false => latency(change, "may have risen", "may have fallen"),
    };
    format!("{what} {}, which is not sure yet ({})", time(&change.at, &newest.at), evidence(change))
}

fn errors(change: &Change) -> String {
    let percent = |share: f64| format!("{:.3}%", share * 100.0);
    let verb = if change.to > change.from { "rose" } else { "fell" };
    format!("errors {verb} from {} to {}", percent(change.from), percent(change.to))
}

fn latency(change: &Change, rose: &str, fell: &str) -> String {
    let percent = ((change.to / change.from - 1.0) * 100.0).abs();
    let verb = if change.to > change.from { rose } else { fell };
    format!("{} {verb} {} %", title(&change.measure), format::grouped(percent, 0))
}

fn evidence(change: &Change) -> String {
    let levels = match change.measure == ERRORS {
        true => String::new(),
        false => format!("from {} to {}; ", format::ms(change.from), format::ms(change.to)),
    };
    // A chance that cannot be told from none is said as a bound.
    let p = if change.p < 1e-12 { "p < 1e-12".into() } else { format!("p = {:.0e}", change.p) };
    let checks = format::plural(change.before, "check");
    format!("{levels}{checks} before, {} since; {p}", format::count(change.since))
}

/// "p99.9_ms" as "P99.9".
fn title(measure: &str) -> String {
    measure.strip_suffix("_ms").unwrap_or(measure).replacen('p', "P", 1)
}

/// "2026-11-26 14:30:02".
fn when(at: &str) -> String {
    at.get(..19).unwrap_or(at).replace('T', " ")
}

/// "at 14:30" on the same day, else "on 2026-11-25 at 14:30".
fn time(at: &str, now: &str) -> String {
    let (Some(day), Some(time)) = (at.get(..10), at.get(11..16)) else { return format!("at {at}") };
    if now.get(..10) == Some(day) { format!("at {time}") } else { format!("on {day} at {time}") }
}

/// What the checks of one watch came to.
pub fn count_line(count: &Count, history: &History) -> String {
    let mut parts = vec![format!("{} kept the objective", format::count(count.kept))];
    let others = [
        (count.violated, "violated it"),
        (count.unreachable, "found nobody"),
        (count.inconclusive, "were inconclusive"),
        (count.failed, "could not be made"),
    ];
    parts.extend(others.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", format::count(*n))));
    let mut text = format!("{}: {}", format::plural(count.checks, "check"), parts.join(", "));
    if count.planned > 0 {
        text += &format!(
            "; {} of {} requests failed (95 %: at most {:.3}%)",
            format::count(count.errors),
            format::count(count.planned),
            share_upper_bound(count.errors, count.planned) * 100.0
        );
    }
    if let Some((found, needed)) = history.too_few() {
        let found = format::plural(found as u64, "check");
        text += &format!("\nWhether anything changed is not known: {found} of this load, and it takes {needed}");
    }
    text
}
