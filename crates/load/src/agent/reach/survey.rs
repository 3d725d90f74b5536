use std::net::SocketAddr;
use std::time::Duration;

use erlmcp_protocol::client::request;
use erlmcp_protocol::header::method;
use serde_json::Value;

use super::super::target::Target;
use super::exchange::Exchanger;
use super::{Found, KeepAlive, PATIENCE, Trouble, keep_alive, listing, meet};

/// What a target tells of itself.
#[derive(Debug, Clone)]
pub(in crate::agent) struct Surveyed {
    pub(in crate::agent) found: Found,
    pub(in crate::agent) tools: Vec<Value>,
    pub(in crate::agent) resources: Vec<Value>,
    pub(in crate::agent) templates: Vec<Value>,
    pub(in crate::agent) prompts: Vec<Value>,
    /// Some answer was an event stream.
    pub(in crate::agent) has_streamed: bool,
    /// Status of a GET, and whether an event stream began with it; None: it got no answer.
    pub(in crate::agent) get: Option<(u16, bool)>,
    /// None: it was not looked for, or there is no stream to look at.
    pub(in crate::agent) keep_alive: Option<KeepAlive>,
    /// None: no TLS.
    pub(in crate::agent) offers_h2: Option<bool>,
}

pub(super) fn at(target: &Target, address: SocketAddr, watch: Duration) -> Result<Surveyed, Trouble> {
    let mut exchanger = Exchanger::new(target, address, PATIENCE)?;
    let mut found = meet(&mut exchanger)?;
    let mut list = |capability: &str, method: &str, key: &str| {
        if found.has(capability) {
            listing::list(&mut exchanger, &mut found.spoken, (method, key))
        } else {
            Ok(Vec::new())
        }
    };
    let tools = list("tools", method::TOOLS_LIST, "tools")?;
    let resources = list("resources", method::RESOURCES_LIST, "resources")?;
    let templates = list("resources", method::TEMPLATES_LIST, "resourceTemplates")?;
    let prompts = list("prompts", method::PROMPTS_LIST, "prompts")?;
    let get = exchanger.begin_stream(&request::open_stream(&target.peer(&found.spoken))?).ok();
    let offers_h2 = exchanger.offers_h2()?;
    let has_streamed = exchanger.has_streamed;
    // Whatever goes wrong with that stream, the rest is known.
    let watched = (!watch.is_zero()).then(|| keep_alive::watch(&exchanger, &found.spoken, watch));
    let keep_alive = watched.and_then(|watched| watched.ok().flatten());
    Ok(Surveyed { found, tools, resources, templates, prompts, has_streamed, get, keep_alive, offers_h2 })
}
