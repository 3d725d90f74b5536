use super::Compared;
use super::text::table;

/// For a pull request or a step summary.
pub fn markdown(compared: &Compared) -> String {
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = String::from("| Run | Folder | Server | Load | Seconds | Requests |\n|---|---|---|---|---|---|\n");
    for side in &compared.runs {
        text += &line(&[
            format!("**{}** {}", side.label, side.run_id),
            format!("`{}`", side.folder),
            side.server.clone().unwrap_or_else(|| "without a name".into()),
            side.load.clone(),
            side.seconds.to_string(),
            crate::format::count(side.requests),
        ]);
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
    compared.notes.iter().for_each(|note| text += &format!("- {note}\n"));
    if !compared.conditions.is_empty() {
        text += "\n| Fails if | Run | Found | Status |\n|---|---|---|---|\n";
    }
    for judged in &compared.conditions {
        let reason = judged.verdict.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
        let status = format!("{}{reason}", judged.verdict.mark());
        text += &line(&[format!("`{}`", judged.condition), judged.label.clone(), judged.actual.clone(), status]);
    }
    text
}
