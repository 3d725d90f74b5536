use super::{head, pieces, scripts, tables};
use crate::Analysis;
use crate::series::{Series, SeriesBuilder};

const SCRIPT: &str = include_str!("../../../assets/live.js");

/// What the page may load: what is in it, and events from where it came from.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; \
                      connect-src 'self'";

/// The page of a run or a server that is looked at: the charts of report.html, which are empty until the address
/// `events` beside it tells of a [`LivePage`](crate::live_page::LivePage).
pub fn live_html() -> String {
    let series = SeriesBuilder::default().finish(&Analysis::new());
    let mut page = head("erlmcp observe", POLICY);
    page += "<header>\n<p class=\"brand\">erlmcp observe</p>\n<h1 id=\"title\">Nothing known yet</h1>\n\
             <p class=\"sub\" id=\"state\" role=\"status\">Connecting</p>\n</header>\n\
             <nav aria-label=\"Sections\"><div><a href=\"#now\">Now</a><a href=\"#time\">Over time</a>\
             <a href=\"#faults\">Faults</a></div><button type=\"button\" id=\"theme\" hidden>Dark</button></nav>\n<main>\n";
    page += &super::text::section("now", "Now", "<pre id=\"table\" tabindex=\"0\"></pre>\n");
    page += &pieces::over_time(&series);
    page += &format!("<div id=\"fault-table\">{}</div>\n", faults_html(&series));
    page += "</main>\n<footer><p>Charts: uPlot.</p></footer>\n";
    page += &scripts(&series);
    page + &format!("<script>\n{SCRIPT}</script>\n</body>\n</html>\n")
}

/// The section of the faults alone.
pub fn faults_html(series: &Series) -> String {
    tables::faults(series, "by the checks of its report")
}
