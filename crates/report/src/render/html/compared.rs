//! Runs side by side, as a page: what `erlmcp compare` shows, with a picture of each difference's interval.

use super::text::{escaped, section, table};
use super::verdicts::{badge, banner};
use super::{POLICY, head};
use crate::ExitCode;
use crate::compare::{Change, Compared, Interval, Row, Side, Standing, changed, value};
use crate::format;
use crate::verdict::Verdict;

/// A difference is drawn to this at most, in percent; what is beyond ends in an arrow.
const DRAWN_MAX: f64 = 100.0;
/// Half the width of a drawn difference, and what is left for an arrow.
const HALF: f64 = 80.0;
const MARGIN: f64 = 10.0;

/// The page; it needs nothing else, no script either.
pub fn compared_html(compared: &Compared) -> String {
    let names: Vec<&str> = compared.runs.iter().map(|side| side.label.as_str()).collect();
    let title = format!("Runs {} side by side", names.join(", "));
    let mut page = head(&title, POLICY);
    page += &format!(
        "<header>\n<p class=\"brand\">erlmcp compare</p>\n<h1>{}</h1>\n<p class=\"sub\">The others are compared with A.</p>\n\
         </header>\n<main>\n",
        escaped(&title)
    );
    page += &outcome(compared);
    page += &runs(&compared.runs);
    page += &figures(compared);
    page += &conditions(compared);
    let notes: String = compared.notes.iter().map(|note| format!("<li>{}</li>", escaped(note))).collect();
    page += &section("notes", "Notes", &format!("<ul class=\"against\">{notes}</ul>\n"));
    page + "</main>\n<footer><p>Made by erlmcp from the records of the runs, and from nothing else.</p></footer>\n</body>\n</html>\n"
}

fn outcome(compared: &Compared) -> String {
    if compared.conditions.is_empty() {
        return String::new();
    }
    let (verdict, said) = match compared.exit_code() {
        ExitCode::SlaFailed => (Verdict::Fail, "A condition is met that must not be."),
        ExitCode::Pass => (Verdict::Pass, "No condition is met."),
        _ => {
            let reason = "longer runs tell more".into();
            (Verdict::Inconclusive { reason }, "Whether a condition is met cannot be told: longer runs tell more.")
        }
    };
    banner(&verdict, said, "")
}

fn runs(runs: &[Side]) -> String {
    let heading = [
        ("", false),
        ("Run", false),
        ("Begun", false),
        ("Server", false),
        ("Load", false),
        ("Seconds", true),
        ("Requests", true),
    ];
    let row = |side: &Side| {
        vec![
            escaped(&side.label),
            format!("{}<p class=\"why\">{}</p>", escaped(&side.run_id), escaped(&side.folder)),
            escaped(&side.started_at),
            escaped(side.server.as_deref().unwrap_or("without a name")),
            escaped(&side.load),
            side.seconds.to_string(),
            format::count(side.requests),
        ]
    };
    section("runs", "Runs", &table("Runs", &heading, runs.iter().map(row)))
}

fn figures(compared: &Compared) -> String {
    let columns = column_names(compared);
    let heading: Vec<(&str, bool)> = columns.iter().map(|(name, is_number)| (name.as_str(), *is_number)).collect();
    let scales = [scale(compared, false), scale(compared, true)];
    let rows = compared.rows.iter().map(|row| {
        let mut cells = vec![escaped(&row.name)];
        cells.extend(row.values.iter().map(|found| escaped(&value(row, found))));
        for change in &row.changes {
            let [difference, standing] = changed(row, change);
            cells.push(format!("<span class=\"badge {}\">{}</span>", class(change.standing), escaped(&standing)));
            cells.push(picture(change, scales[usize::from(row.figure.is_share())]) + &escaped(&difference));
        }
        cells
    });
    let about = format!(
        "<p class=\"about\">A difference stands with the interval that holds it with 95 % confidence: in percent of A, and of \
         shares in points of percent (pp). The pictures have 0 in their middle and reach from {}, of a share from {}; an arrow says \
         that it goes on beyond.</p>\n",
        reach(scales[0], "%"),
        reach(scales[1], "pp")
    );
    section("figures", "Figures", &(about + &table("Figures", &heading, rows)))
}

fn column_names(compared: &Compared) -> Vec<(String, bool)> {
    let mut columns = vec![("Figure".to_string(), false)];
    columns.extend(compared.runs.iter().map(|side| (escaped(&side.label), true)));
    for side in compared.runs.iter().skip(1) {
        let label = escaped(&side.label);
        columns.extend([(format!("{label} is"), false), (format!("{label} against A (95 % interval)"), false)]);
    }
    columns
}

fn reach(scale: f64, unit: &str) -> String {
    format!("−{0}{unit} to +{0}{unit}", format::grouped(scale, if scale < 10.0 { 2 } else { 0 }))
}

/// What the right end of a picture stands for: the greatest end of an interval of that kind.
fn scale(compared: &Compared, of_shares: bool) -> f64 {
    let rows = compared.rows.iter().filter(|row: &&Row| row.figure.is_share() == of_shares);
    let intervals = rows.flat_map(|row| &row.changes).filter_map(|change| change.difference);
    let ends = intervals.flat_map(|found| [found.estimate, found.low, found.high]).map(f64::abs);
    match ends.filter(|end| end.is_finite()).fold(0.0, f64::max) {
        0.0 => 1.0,
        greatest => greatest.min(DRAWN_MAX),
    }
}

/// A line from end to end of the interval with a dot at the estimate; what it says stands beside it in words.
fn picture(change: &Change, scale: f64) -> String {
    let Some(Interval { estimate, low, high }) = change.difference else { return String::new() };
    let middle = HALF + MARGIN;
    let at = |value: f64| middle + (value / scale).clamp(-1.0, 1.0) * HALF;
    let mut arrows = String::new();
    if low < -scale {
        arrows += &format!("<path d=\"M{MARGIN} 4 L2 9 L{MARGIN} 14\"/>");
    }
    if high > scale {
        let edge = middle + HALF;
        arrows += &format!("<path d=\"M{edge} 4 L{:.0} 9 L{edge} 14\"/>", edge + MARGIN - 2.0);
    }
    format!(
        "<svg class=\"interval {}\" viewBox=\"0 0 {:.0} 18\" width=\"{:.0}\" height=\"18\" aria-hidden=\"true\">\
         <path class=\"zero\" d=\"M{middle} 1 V17\"/><path d=\"M{:.1} 9 H{:.1}\"/>{arrows}<circle cx=\"{:.1}\" cy=\"9\" r=\"3.5\"/></svg> ",
        class(change.standing),
        middle * 2.0,
        middle * 2.0,
        at(low),
        at(high),
        at(estimate),
    )
}

fn class(standing: Standing) -> &'static str {
    match standing {
        Standing::Better => "pass",
        Standing::Worse => "fail",
        Standing::CantTell => "skipped",
    }
}

fn conditions(compared: &Compared) -> String {
    if compared.conditions.is_empty() {
        return String::new();
    }
    let heading = [("Fails if", false), ("Run", false), ("It is", false), ("Status", false)];
    let rows = compared.conditions.iter().map(|judged| {
        let reason = judged.verdict.reason().map(|reason| format!("<p class=\"why\">{}</p>", escaped(reason)));
        vec![
            format!("<code>{}</code>", escaped(&judged.condition)),
            escaped(&judged.label),
            escaped(&judged.actual),
            badge(&judged.verdict) + &reason.unwrap_or_default(),
        ]
    });
    section("conditions", "Conditions", &table("Conditions", &heading, rows))
}
