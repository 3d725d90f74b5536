use erlmcp_record::plain_lines;

use super::condition::interval;
use super::{Change, Compared, Found, Row};

/// For the terminal.
pub fn text(compared: &Compared) -> String {
    plain_lines(&lines(compared))
}

fn lines(compared: &Compared) -> String {
    let mut text = String::new();
    for side in &compared.runs {
        let server = side.server.as_deref().unwrap_or("a server without a name");
        text += &format!("{}  {}  ({})\n", side.label, side.run_id, side.folder);
        text += &format!(
            "   {server}; {}; {} s, {} requests\n",
            side.load,
            side.seconds,
            crate::format::count(side.requests)
        );
    }
    text += "\n";
    text += &aligned(&table(compared));
    compared.notes.iter().for_each(|note| text += &format!("\n{note}"));
    if !compared.notes.is_empty() {
        text += "\n";
    }
    for judged in &compared.conditions {
        let reason = judged.verdict.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
        text += &format!(
            "\n[ {} ] {} fails if {}: it is {}{reason}",
            judged.verdict.mark(),
            judged.label,
            judged.condition,
            judged.actual
        );
    }
    if !compared.conditions.is_empty() {
        text += "\n";
    }
    text
}

/// Heading and rows, a cell a word.
pub(super) fn table(compared: &Compared) -> Vec<Vec<String>> {
    let mut heading = vec![String::new()];
    heading.extend(compared.runs.iter().map(|side| side.label.clone()));
    for side in &compared.runs[1..] {
        heading.extend([format!("{} against A (95 % interval)", side.label), String::new()]);
    }
    let row = |row: &Row| {
        let mut cells = vec![row.name.clone()];
        cells.extend(row.values.iter().map(|found| value(row, found)));
        cells.extend(row.changes.iter().flat_map(|change| changed(row, change)));
        cells
    };
    std::iter::once(heading).chain(compared.rows.iter().map(row)).collect()
}

/// "85.0 ms", or "not measured".
pub(crate) fn value(row: &Row, found: &Found) -> String {
    match found {
        Found::Value(value) => row.figure.value(*value),
        Found::NotMeasured(_) => "not measured".to_string(),
    }
}

/// The difference with its interval, and "better", "worse" or "can't tell".
pub(crate) fn changed(row: &Row, change: &Change) -> [String; 2] {
    let unit = if row.figure.is_share() { "pp" } else { "%" };
    let missing = row.values.iter().find_map(|value| match value {
        Found::NotMeasured(why) => Some(why.clone()),
        Found::Value(_) => None,
    });
    let difference = match change.difference {
        Some(difference) => interval(difference, unit),
        None => missing.unwrap_or_else(|| "no percentage of nothing".into()),
    };
    [difference, change.standing.text().to_string()]
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text += cells.join("   ").trim_end();
        text += "\n";
    }
    text
}
