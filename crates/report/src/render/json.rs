use erlmcp_record::plain_json;

use crate::Summary;

/// report.json, indented, with its line end.
pub fn json(summary: &Summary) -> String {
    let text = serde_json::to_string_pretty(summary).expect("a summary has only names and numbers");
    plain_json(&text) + "\n"
}
