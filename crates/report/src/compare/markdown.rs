use super::Compared;
use super::text::table;
use crate::render::{cell, code_cell, prose};

/// For a pull request or a step summary.
pub fn markdown(compared: &Compared) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = String::from("| Run | Folder | Server | Load | Seconds | Requests |\n|---|---|---|---|---|---|\n");
    for side in &compared.runs {
        let (label, run, folder) = (cell(&side.label), cell(&side.run_id), code_cell(&side.folder));
        let server = cell(side.server.as_deref().unwrap_or("without a name"));
        let requests = crate::format::count(side.requests);
        let (load, seconds) = (cell(&side.load), side.seconds);
        text += &format!("| **{label}** {run} | {folder} | {server} | {load} | {seconds} | {requests} |\n");
    }
    let rows = table(compared);
    text += "\n";
    for (at, row) in rows.iter().enumerate() {
        text += &line(row);
        if at == 0 {
            text += &line(&row.iter().map(|_| "---".to_string()).collect::<Vec<_>>());
        }
    }
    text += "\n";
    compared.notes.iter().for_each(|note| text += &format!("- {}\n", prose(note)));
    if !compared.conditions.is_empty() {
        text += "\n| Fails if | Run | Found | Status |\n|---|---|---|---|\n";
    }
    for judged in &compared.conditions {
        let reason = judged.verdict.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
        let status = format!("{}{reason}", judged.verdict.mark());
        let said = [&judged.label, &judged.actual, &status].map(|text| cell(text)).join(" | ");
        text += &format!("| {} | {said} |\n", code_cell(&judged.condition));
    }
    text
}
