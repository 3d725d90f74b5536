//! What a workload will ask for: does the target have it?

use std::collections::BTreeSet;

use erlmcp_protocol::client::answer::Said;
use erlmcp_protocol::client::request::Ask;
use erlmcp_protocol::code::METHOD_NOT_FOUND;
use erlmcp_protocol::era::Era;
use erlmcp_protocol::header::method;
use serde_json::Value;

use super::super::target::Target;
use super::exchange::Exchanger;
use super::found::Found;
use super::listing::{self, LISTED_MAX};
use super::trouble::Trouble;
use crate::proto::{Missing, Wanted};

/// Asked one by one, at most: resources that are not listed, and methods.
const ASKED_MAX: usize = 64;

/// What of it the target does not have. What does not answer in time is not missing.
pub(super) fn missing(
    exchanger: &mut Exchanger<'_>,
    found: &mut Found,
    wanted: &Wanted,
) -> Result<Vec<Missing>, Trouble> {
    let mut missing = Vec::new();
    if !wanted.resources.is_empty() {
        missing.extend(resources(exchanger, found, &wanted.resources)?);
    }
    if !wanted.prompts.is_empty() {
        let known = names(exchanger, found, ("prompts", method::PROMPTS_LIST, "prompts", "name"))?;
        let is_whole = known.len() < LISTED_MAX;
        let absent = wanted.prompts.iter().filter(|name| is_whole && !known.contains(*name));
        missing.extend(absent.map(|name| of("prompt", name, &known, exchanger.target)));
    }
    for name in wanted.methods.iter().take(ASKED_MAX) {
        // The load has something else for it in the older era.
        let is_other = name == method::DISCOVER && found.spoken.version.era() == Era::Legacy;
        if !is_other && is_unknown(exchanger, found, &Ask { method: name, ..Ask::default() }) {
            missing.push(of("method", name, &BTreeSet::new(), exchanger.target));
        }
    }
    Ok(missing)
}

/// One that is neither listed nor of a template is read: lists need not be whole.
fn resources(exchanger: &mut Exchanger<'_>, found: &mut Found, wanted: &[String]) -> Result<Vec<Missing>, Trouble> {
    let known = names(exchanger, found, ("resources", method::RESOURCES_LIST, "resources", "uri"))?;
    let templates = ("resources", method::TEMPLATES_LIST, "resourceTemplates", "uriTemplate");
    let templates = names(exchanger, found, templates)?;
    let mut missing = Vec::new();
    for uri in wanted.iter().filter(|uri| !known.contains(*uri)).take(ASKED_MAX) {
        let read = Ask { method: method::RESOURCES_READ, name: Some(uri), ..Ask::default() };
        let fits_one = templates.iter().any(|template| fits(template, uri));
        if !fits_one && !exchanger.ask(&mut found.spoken, &read).is_ok_and(|answered| answered.said == Said::Ok) {
            missing.push(of("resource", uri, &known, exchanger.target));
        }
    }
    Ok(missing)
}

/// One member of everything that is listed; nothing where the server does not say that it has any.
fn names(
    exchanger: &mut Exchanger<'_>,
    found: &mut Found,
    (capability, method, key, member): (&str, &str, &str, &str),
) -> Result<BTreeSet<String>, Trouble> {
    if !found.has(capability) {
        return Ok(BTreeSet::new());
    }
    let listed = listing::list(exchanger, &mut found.spoken, (method, key))?;
    let name = |one: &Value| one[member].as_str().map(str::to_string);
    Ok(listed.iter().filter_map(name).collect())
}

fn is_unknown(exchanger: &mut Exchanger<'_>, found: &mut Found, ask: &Ask<'_>) -> bool {
    let Ok(answered) = exchanger.ask(&mut found.spoken, ask) else { return false };
    matches!(answered.said, Said::RpcError(METHOD_NOT_FOUND) | Said::HttpError(404 | 405 | 501))
}

fn of(kind: &str, name: &str, known: &BTreeSet<String>, target: &Target) -> Missing {
    let known = known.iter().map(|known| target.secrets.told(known)).collect();
    Missing { kind: kind.into(), name: name.into(), known }
}

/// True where the URI may be one of the template: what stands before its first gap and after its last one is there.
fn fits(template: &str, uri: &str) -> bool {
    let Some((before, rest)) = template.split_once('{') else { return template == uri };
    let after = rest.rsplit_once('}').map_or("", |(_, after)| after);
    uri.len() >= before.len() + after.len() && uri.starts_with(before) && uri.ends_with(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_fits_a_template_by_what_is_around_its_gaps() {
        assert!(fits("shop://{id}/offers", "shop://7/offers") && fits("shop://{a}/{b}", "shop://1/2"));
        assert!(fits("shop://all", "shop://all"));
        assert!(!fits("shop://{id}/offers", "shop://7/prices") && !fits("shop://all", "shop://some"));
        assert!(!fits("ab{x}bc", "abc"));
    }
}
