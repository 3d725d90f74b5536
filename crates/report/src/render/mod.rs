//! The views of a finished run. Each reads the summary alone.

use crate::Summary;

/// The end of the console's output: FINAL REPORT, readiness, closing status line.
pub fn console(summary: &Summary) -> String {
    let _ = summary;
    todo!()
}

/// FINAL_REPORT.md.
pub fn markdown(summary: &Summary) -> String {
    let _ = summary;
    todo!()
}

/// report.json, indented, with its line end.
pub fn json(summary: &Summary) -> String {
    let _ = summary;
    todo!()
}
