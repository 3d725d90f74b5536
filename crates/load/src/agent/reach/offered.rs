//! What a target has beside its tools that can be asked for without harm: its lists, a resource, a prompt.

use erlmcp_protocol::client::answer::Said;
use erlmcp_protocol::client::request::Ask;
use erlmcp_protocol::header::method;
use serde_json::Value;

use super::exchange::Exchanger;
use super::found::Found;
use super::listing;
use crate::clock::monotonic_ns;
use crate::proto::Offered;

/// Resources, and prompts, that are tried until one is answered.
const TRIED_MAX: usize = 8;
/// What is not answered by then is not offered: who finds out is waited for a minute at most.
const BUDGET_NS: u64 = 20_000_000_000;

/// Only what was answered when it was asked for once.
pub(super) fn offered(exchanger: &mut Exchanger<'_>, found: &mut Found) -> Offered {
    let mut offered = Offered::default();
    let until_ns = monotonic_ns() + BUDGET_NS;
    if found.has("resources") {
        offered.lists.extend(lists(exchanger, found, &[method::RESOURCES_LIST, method::TEMPLATES_LIST]));
        let mut listed = listed(exchanger, found, (method::RESOURCES_LIST, "resources"));
        listed.sort_by_key(|resource| resource["size"].as_u64().unwrap_or(u64::MAX));
        let uris = listed.iter().filter_map(|resource| resource["uri"].as_str());
        offered.resource = first((exchanger, until_ns), found, method::RESOURCES_READ, uris);
    }
    if found.has("prompts") && monotonic_ns() < until_ns {
        offered.lists.extend(lists(exchanger, found, &[method::PROMPTS_LIST]));
        let listed = listed(exchanger, found, (method::PROMPTS_LIST, "prompts"));
        let wants_nothing = |prompt: &&Value| {
            prompt["arguments"].as_array().is_none_or(|all| all.iter().all(|argument| argument["required"] != true))
        };
        let names = listed.iter().filter(wants_nothing).filter_map(|prompt| prompt["name"].as_str());
        offered.prompt = first((exchanger, until_ns), found, method::PROMPTS_GET, names);
    }
    offered
}

fn lists(exchanger: &mut Exchanger<'_>, found: &mut Found, methods: &[&str]) -> Vec<String> {
    let mut known = Vec::new();
    for method in methods {
        if is_answered(exchanger, found, &Ask { method, ..Ask::default() }) {
            known.push((*method).to_string());
        }
    }
    known
}

/// Nothing where it cannot be listed.
fn listed(exchanger: &mut Exchanger<'_>, found: &mut Found, what: (&str, &str)) -> Vec<Value> {
    listing::list(exchanger, &mut found.spoken, what).unwrap_or_default()
}

/// The first of these that can be told and is answered by then; empty where none is.
fn first<'a>(
    (exchanger, until_ns): (&mut Exchanger<'_>, u64),
    found: &mut Found,
    method: &str,
    names: impl Iterator<Item = &'a str>,
) -> String {
    let target = exchanger.target;
    let mut names =
        names.filter(|name| target.secrets.can_tell(name)).take(TRIED_MAX).take_while(|_| monotonic_ns() < until_ns);
    let found = names.find(|name| is_answered(exchanger, found, &Ask { method, name: Some(*name), ..Ask::default() }));
    found.unwrap_or_default().to_string()
}

fn is_answered(exchanger: &mut Exchanger<'_>, found: &mut Found, ask: &Ask<'_>) -> bool {
    exchanger.ask(&mut found.spoken, ask).is_ok_and(|answered| answered.said == Said::Ok)
}
