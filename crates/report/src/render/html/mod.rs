//! The report as one page that needs nothing else: no network, no folder beside it.

mod compared;
mod live;
mod pieces;
mod run;
mod tables;
mod text;
mod verdicts;

pub use compared::compared_html;
pub use live::{faults_html, live_html};
use text::escaped;
pub(crate) use verdicts::word;

use crate::series::Series;
use crate::{Summary, format};

const STYLE: &str = include_str!("../../../assets/report.css");
const SCRIPT: &str = include_str!("../../../assets/report.js");
/// MIT; its licence is beside it and, as that demands, in the page.
const CHARTS_STYLE: &str = include_str!("../../../assets/uplot/uPlot.min.css");
const CHARTS_SCRIPT: &str = include_str!("../../../assets/uplot/uPlot.iife.min.js");
const CHARTS_LICENCE: &str = include_str!("../../../assets/uplot/LICENSE");

/// What the page may load: only what is in it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/// report.html.
pub fn html(summary: &Summary, series: &Series) -> String {
    let title = heading(summary);
    let mut page = head(&format!("{}: {title}", verdicts::word(&summary.readiness.verdict)), POLICY);
    page += &pieces::header(summary, &title);
    page += "<main>\n";
    page += &verdicts::top(summary);
    page += &pieces::over_time(series);
    page += &tables::faults(series, "<a href=\"#checks\">by the checks</a>");
    page += &tables::numbers(summary);
    page += &tables::phases(summary);
    page += &verdicts::checks(summary);
    page += &tables::ledger(summary);
    page += &run::not_measured(summary, series);
    page += &run::generator(summary);
    page += &run::run(summary);
    page += "</main>\n";
    page += &pieces::footer(summary);
    page += &scripts(series);
    page + "</body>\n</html>\n"
}

fn head(title: &str, policy: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n\
         <style>\n{CHARTS_STYLE}\n{STYLE}</style>\n</head>\n<body>\n",
        escaped(title),
    )
}

/// What is drawn, and what draws it.
fn scripts(series: &Series) -> String {
    format!(
        "<script type=\"application/json\" id=\"series\">{}</script>\n\
         <script>\n/*\nuPlot\n{CHARTS_LICENCE}*/\n{CHARTS_SCRIPT}\n</script>\n<script>\n{SCRIPT}</script>\n",
        series.to_json()
    )
}

/// "100,000 connections, 15 minutes".
fn heading(summary: &Summary) -> String {
    if let Some(found) = &summary.capacity {
        return found.heading();
    }
    let what = match summary.run.as_ref().map(|run| run.command.as_str()) {
        Some("chaos") => "Chaos, ",
        Some("comprehensive") => "Comprehensive suite, ",
        Some("capacity") => return "Capacity".into(),
        _ => "",
    };
    let Some(config) = &summary.configuration else { return "A run without its configuration".into() };
    let connections = format::plural(config.connections, "connection");
    format!("{what}{connections}, {}", format::duration_ms(config.duration_ms))
}
