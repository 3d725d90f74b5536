use erlmcp_protocol::era::Era;
use serde_json::Value;

use super::super::target::Spoken;
use crate::proto;

/// Who answered.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) spoken: Spoken,
    pub(crate) versions: Vec<String>,
    /// "name version".
    pub(super) server: String,
    /// What the server said of itself: the result of its first answer.
    pub(crate) about: Value,
    pub(crate) tools: Vec<proto::Tool>,
}

impl Found {
    /// True where the server says that it can do this.
    pub(super) fn has(&self, capability: &str) -> bool {
        self.about["capabilities"][capability].is_object()
    }

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
            missing: Vec::new(),
            offered: None,
        }
    }
}

/// "name version" of a server's or client's own description.
pub(super) fn named(info: &Value) -> String {
    let text = |key: &str| info[key].as_str().unwrap_or_default().trim().to_string();
    format!("{} {}", text("name"), text("version")).trim().to_string()
}
