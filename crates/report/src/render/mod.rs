//! The views of a finished run. Each reads the summary alone, and what is drawn over time the series.

mod console;
mod csv;
mod github;
mod html;
mod json;
mod junit;
mod markdown;
mod prometheus;
mod prose;
mod tables;

pub use console::{console, verdict};
pub use csv::{csv_heading, csv_line};
pub use github::github;
pub(crate) use html::word;
pub use html::{compared_html, faults_html, html, live_html};
pub use json::json;
pub use junit::junit;
pub use markdown::markdown;
pub use prometheus::{prometheus, prometheus_families};
pub(crate) use prose::{cell, code, code_cell, prose};

/// As wide as the console's headings.
pub(crate) const LINE: &str = "================================================================================";
