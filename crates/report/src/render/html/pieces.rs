//! What frames the page, and the places that the script draws into.

use super::text::escaped;
use crate::series::Series;
use crate::{Summary, format};

const SECTIONS: [(&str, &str); 9] = [
    ("verdict", "Verdict"),
    ("time", "Over time"),
    ("faults", "Faults"),
    ("numbers", "Numbers"),
    ("phases", "Phases"),
    ("checks", "Checks"),
    ("ledger", "Ledger"),
    ("unmeasured", "Not measured"),
    ("run", "The run"),
];

pub(super) fn header(summary: &Summary, title: &str) -> String {
    let links: String = SECTIONS.iter().map(|(id, name)| format!("<a href=\"#{id}\">{name}</a>")).collect();
    let run = summary.run.as_ref();
    let started = run.map_or("?", |run| run.started_at.as_str());
    let id = run.map_or("?", |run| run.run_id.as_str());
    let target = summary.configuration.as_ref().map_or("?", |config| config.target.as_str());
    format!(
        "<a class=\"skip\" href=\"#verdict\">To the verdict</a>\n\
         <header>\n<p class=\"brand\">erlmcp {}</p>\n<h1>{}</h1>\n\
         <p class=\"sub\">{} <span>started {}</span> <span>{}</span></p>\n</header>\n\
         <nav aria-label=\"Sections\"><div>{links}</div>\
         <button type=\"button\" id=\"theme\" hidden>Dark</button></nav>\n",
        escaped(run.map_or("?", |run| run.version.as_str())),
        escaped(title),
        escaped(target),
        escaped(started),
        escaped(id),
    )
}

pub(super) fn footer(summary: &Summary) -> String {
    let version = summary.run.as_ref().map_or("?", |run| run.version.as_str());
    format!(
        "<footer><p>Made by erlmcp {} from the record of the run, and from nothing else. Charts: uPlot.</p></footer>\n",
        escaped(version)
    )
}

/// One time line for all charts; what they show stands in words where there is no script.
pub(super) fn over_time(series: &Series) -> String {
    let step = series.about_points();
    let left_out = match series.lines_left_out {
        0 => String::new(),
        _ => " Too many lines: some replicas or agents are left out.".to_owned(),
    };
    let mut body = format!(
        "<p class=\"about\"><span id=\"step\">{step}</span>{left_out} Shaded bands are phases, dashed lines are faults by their number. <span class=\"keys\">Drag \
         across a chart to zoom, double-click to see all again. Keys: <kbd>←</kbd> <kbd>→</kbd> move (with <kbd>Shift</kbd> \
         by ten), <kbd>+</kbd> <kbd>−</kbd> zoom, <kbd>Esc</kbd> all.</span></p>\n\
         <div id=\"axis\"><div id=\"strip\"></div><p id=\"readout\" aria-live=\"polite\"></p></div>\n\
         <div id=\"charts\" tabindex=\"0\" role=\"group\" aria-label=\"Charts over time: arrow keys move, plus and minus zoom\">\n"
    );
    for chart in &series.charts {
        body += &figure(chart.id, chart.title, chart.unit, chart.about, chart.empty.as_deref());
        if chart.id == "latency" {
            let about = "How much of each second's load took how long: the stronger the colour, the more of it.";
            let empty = chart.empty.as_deref();
            body += &figure("heat", "Latency, all of it", "ms", about, empty);
        }
    }
    body += "</div>\n";
    let empty = series.curve.lines.is_empty().then_some("no load was answered");
    let about = format!(
        "Of {}: {}. Where the two lines part, requests had to wait before they could be sent.",
        series.curve.of,
        series
            .curve
            .lines
            .iter()
            .map(|line| format!("{} ({} requests)", line.label, format::count(line.requests)))
            .collect::<Vec<_>>()
            .join(" and ")
    );
    body += &figure("curve", "Latency by percentile", "ms", &about, empty);
    super::text::section("time", "Over time", &body)
}

fn figure(id: &str, title: &str, unit: &str, about: &str, empty: Option<&str>) -> String {
    let place = match empty {
        Some(why) => format!("<p class=\"empty none\">Nothing to draw: {}.</p>", escaped(why)),
        None => format!(
            "<div class=\"plot\" id=\"plot-{id}\" role=\"img\" aria-label=\"{title}\"></div><div class=\"legend\" id=\"legend-{id}\"></div>"
        ),
    };
    format!(
        "<figure class=\"chart\" id=\"chart-{id}\"><figcaption><h3>{title} <small>{unit}</small></h3><p>{}</p></figcaption>{place}</figure>\n",
        escaped(about)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_without_data_says_why_and_has_no_place() {
        let page = figure("queue", "Queue", "requests", "Waiting.", Some("the target <has> none"));
        assert!(!page.contains("id=\"plot-queue\""), "{page}");
        assert!(page.contains("Nothing to draw: the target &lt;has&gt; none."), "{page}");
        assert!(figure("queue", "Queue", "requests", "Waiting.", None).contains("id=\"plot-queue\""));
    }
}
