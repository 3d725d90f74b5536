//! What the server says about itself and its tools: written once, sent often.

use serde_json::{Value, json};

use super::lists::Pages;
use crate::answer::ServerInfo;
use crate::metrics::counters::Method;
use crate::tasks::EXTENSION;
use crate::tools::Registry;
use erlmcp_protocol::era::Version;

/// The versions that this server speaks, newest first.
pub(crate) const SERVED: [Version; 4] = Version::ALL;
/// Those without a handshake.
pub(crate) const MODERN: [Version; 1] = [Version::V20260728];
/// How long clients may keep the answers, ms.
const TTL_MS: u64 = 600_000;

/// The members of two results, without their braces.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(crate) discover: Vec<u8>,
    pub(super) lists: Lists,
    /// Of the older era, which knows no caching.
    pub(super) plain_lists: Lists,
    /// The answer to `initialize`, but for the version.
    pub(crate) initialize: Vec<u8>,
}

/// What can be listed. A list is there where its capability is.
#[derive(Debug)]
pub(super) struct Lists {
    tools: Pages,
    resources: Option<Pages>,
    templates: Option<Pages>,
    prompts: Option<Pages>,
}

impl Lists {
    fn new(registry: &Registry, page_entries_max: usize, more: &str) -> Self {
        let Registry { offers, .. } = registry;
        let tools: Vec<_> = registry.specs().collect();
        let templates: Vec<_> = offers.templates().collect();
        let prompts: Vec<_> = offers.prompts().collect();
        let resources = || Pages::new("resources", offers.resources(), page_entries_max, more);
        let templates = || Pages::new("resourceTemplates", &templates, page_entries_max, more);
        let prompts = || Pages::new("prompts", &prompts, page_entries_max, more);
        Self {
            tools: Pages::new("tools", &tools, page_entries_max, more),
            resources: offers.has_resources().then(resources),
            templates: offers.has_resources().then(templates),
            prompts: offers.has_prompts().then(prompts),
        }
    }

    /// None: the server has no such list.
    pub(super) fn of(&self, method: Method) -> Option<&Pages> {
        match method {
            Method::ToolsList => Some(&self.tools),
            Method::ResourcesList => self.resources.as_ref(),
            Method::TemplatesList => self.templates.as_ref(),
            Method::PromptsList => self.prompts.as_ref(),
            _ => None,
        }
    }
}

/// What is registered is declared. Tools are always: a list without any is one too.
fn capabilities(registry: &Registry) -> Value {
    let offers = &registry.offers;
    let mut capabilities = json!({"tools": {"listChanged": true}});
    if offers.has_resources() {
        capabilities["resources"] = json!({"listChanged": true, "subscribe": true});
    }
    if offers.has_prompts() {
        capabilities["prompts"] = json!({"listChanged": true});
    }
    if offers.completes() {
        capabilities["completions"] = json!({});
    }
    if offers.logs {
        capabilities["logging"] = json!({});
    }
    capabilities
}

/// The same for the modern era, which alone has extensions.
fn with_extensions(capabilities: &Value, registry: &Registry) -> Value {
    let mut capabilities = capabilities.clone();
    if registry.has_tasks() {
        capabilities["extensions"] = json!({EXTENSION: {}});
    }
    capabilities
}

impl Catalog {
    pub(crate) fn new(info: &ServerInfo, registry: &Registry, page_entries_max: u64) -> Self {
        let page_entries_max = usize::try_from(page_entries_max).unwrap_or(usize::MAX);
        let capabilities = capabilities(registry);
        let mut initialize = json!({"capabilities": capabilities, "serverInfo": info});
        initialize["capabilities"]["logging"] = json!({});
        let mut discover = json!({
            "supportedVersions": SERVED.map(Version::as_str),
            "capabilities": with_extensions(&capabilities, registry),
            "ttlMs": TTL_MS,
            "cacheScope": "public",
        });
        if let Some(instructions) = &info.instructions {
            discover["instructions"] = json!(instructions);
            initialize["instructions"] = json!(instructions);
        }
        let caching = format!(",\"ttlMs\":{TTL_MS},\"cacheScope\":\"public\"");
        Self {
            discover: members(&discover),
            lists: Lists::new(registry, page_entries_max, &caching),
            plain_lists: Lists::new(registry, page_entries_max, ""),
            initialize: members(&initialize),
        }
    }
}

/// An object's text without its braces.
fn members(object: &serde_json::Value) -> Vec<u8> {
    let text = object.to_string();
    text.as_bytes()[1..text.len() - 1].to_vec()
}
