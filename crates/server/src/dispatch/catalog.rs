//! What the server says about itself and its tools: written once, sent often.

use serde_json::json;

use crate::answer::ServerInfo;
use crate::tools::Registry;
use erlmcp_protocol::era::Version;

/// The versions that this server speaks, newest first.
pub(crate) const SERVED: [Version; 1] = [Version::V20260728];
/// How long clients may keep the answers, ms.
const TTL_MS: u64 = 600_000;

/// The members of two results, without their braces.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(crate) discover: Vec<u8>,
    pub(crate) tools: Vec<u8>,
}

impl Catalog {
    pub(crate) fn new(info: &ServerInfo, registry: &Registry) -> Self {
        let mut discover = json!({
            "supportedVersions": SERVED.map(Version::as_str),
            "capabilities": {"tools": {"listChanged": true}},
            "ttlMs": TTL_MS,
            "cacheScope": "public",
        });
        if let Some(instructions) = &info.instructions {
            discover["instructions"] = json!(instructions);
        }
        let specs: Vec<_> = registry.specs().collect();
        Self {
            discover: members(&discover),
            tools: members(&json!({"tools": specs, "ttlMs": TTL_MS, "cacheScope": "public"})),
        }
    }
}

/// An object's text without its braces.
fn members(object: &serde_json::Value) -> Vec<u8> {
    let text = object.to_string();
    text.as_bytes()[1..text.len() - 1].to_vec()
}
