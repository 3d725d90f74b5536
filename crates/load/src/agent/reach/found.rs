use erlmcp_protocol::era::Era;
use serde_json::Value;

use super::super::target::Spoken;
use crate::proto;

/// Who answered.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) spoken: Spoken,
    pub(super) versions: Vec<String>,
    /// "name version".
    pub(super) server: String,
    pub(super) has_tools: bool,
    pub(crate) tools: Vec<proto::Tool>,
}

impl Found {
    pub(crate) fn reached(&self, block: u32) -> proto::Reached {
        let era = match self.spoken.version.era() {
            Era::Modern => "modern",
            Era::Legacy => "legacy",
        };
        proto::Reached {
            block,
            ok: true,
            error: String::new(),
            era: era.into(),
            versions: self.versions.clone(),
            server: self.server.clone(),
            tools: self.tools.clone(),
        }
    }
}

/// "name version" of a server's or client's own description.
pub(super) fn named(info: &Value) -> String {
    let text = |key: &str| info[key].as_str().unwrap_or_default().trim().to_string();
    format!("{} {}", text("name"), text("version")).trim().to_string()
}
