//! Who asks, whether it may, and how much: of requests to a server that wants tokens.

use erlmcp_protocol::code;
use erlmcp_protocol::server::{Head, Refusal};
use serde_json::json;

use super::mcp::Handled;
use super::pages::Shown;
use super::reply::Refused;
use super::route::{Page, Route};
use super::{Asker, Dispatcher};
use crate::answer::RpcError;
use crate::entry::{Denied, Gate, StreamPlace};
use crate::metrics::counters::{Method, Reached};
use crate::session::Session;

/// Where the metadata of a resource is, between its origin and its path (RFC 9728, section 3.1).
pub(super) const METADATA: &str = "/.well-known/oauth-protected-resource";
const NOT_HERE: Refusal = Refusal::keeping(404, "there is nothing at this path of this address");

impl Dispatcher {
    /// Finds out who asks, where the route wants to know.
    pub(super) fn let_in(&mut self, head: &Head<'_>, route: &Route, asker: &Asker) -> Result<(), Refusal> {
        let is_for_operators = matches!(route, Route::Page(Page::Metrics | Page::Status));
        let is_mcp = matches!(route, Route::Mcp | Route::Push | Route::End);
        if self.shared.has_admin {
            let is_admin = self.shared.is_admin_listener(asker.listener);
            if is_admin && is_mcp || !is_admin && is_for_operators {
                return Err(NOT_HERE);
            }
            if is_admin {
                return Ok(());
            }
        }
        let Some(gate) = &self.shared.gate else { return Ok(()) };
        if !is_mcp && !is_for_operators {
            return Ok(());
        }
        let needed = if is_mcp { &gate.config.scopes } else { &gate.page_scopes };
        let checked = gate.check(head.known.authorization, &mut self.admitted, self.dates.unix_seconds);
        match checked.and_then(|principal| Gate::has_scopes(&principal, needed).map(|()| principal)) {
            Ok(principal) => {
                self.current.principal = Some(principal);
                Ok(())
            }
            Err(denied) => {
                self.current.challenge = (denied.status != 503).then(|| challenge(gate, head, &denied, needed));
                Err(Refusal::keeping(denied.status, denied.why))
            }
        }
    }

    /// Empty where nobody is known by name.
    pub(super) fn principal_name(&self) -> &str {
        self.current.principal_name()
    }

    /// Where tokens for this server come from. Nothing where no authorization server gives any.
    pub(super) fn resource(&self, head: &Head<'_>) -> Shown {
        let Some(gate) = self.shared.gate.as_ref().filter(|gate| gate.has_issuers()) else {
            return Shown::json(404, &json!({}));
        };
        let named = resource(gate, head);
        let path = head.path.strip_prefix(METADATA).unwrap_or_default();
        if !["", "/mcp", split(&named).1].contains(&path) {
            return Shown::json(404, &json!({}));
        }
        let servers = &gate.config.authorization_servers;
        let mut resource =
            json!({"resource": named, "authorization_servers": servers, "bearer_methods_supported": ["header"]});
        if !gate.config.scopes.is_empty() {
            resource["scopes_supported"] = json!(gate.config.scopes);
        }
        Shown::json(200, &resource)
    }

    /// Counts a request of a principal. False where it has had its share of this second.
    pub(super) fn is_within_quota(&self) -> bool {
        match (&self.current.principal, &self.shared.gate) {
            (Some(principal), Some(gate)) => principal.account.request(&gate.quota, self.unix_seconds()),
            _ => true,
        }
    }

    pub(super) fn has_room_for_session(&self) -> bool {
        match (&self.current.principal, &self.shared.gate) {
            (Some(principal), Some(gate)) => principal.account.session(&gate.quota, self.unix_seconds()),
            _ => true,
        }
    }

    pub(super) fn session_ended(&self, session: &Session) {
        if let (Some(principal), Some(gate)) = (&self.current.principal, &self.shared.gate) {
            let began_s = session.expires.saturating_sub(gate.quota.session_s);
            principal.account.session_ended(&gate.quota, began_s);
        }
    }

    /// A place among the streams of who asks; an error where it has as many as it may have.
    pub(super) fn stream_place(&self) -> Result<Option<StreamPlace>, ()> {
        match (&self.current.principal, &self.shared.gate) {
            (Some(principal), Some(gate)) => {
                principal.account.stream(&gate.quota, principal.expires_s).map(Some).ok_or(())
            }
            _ => Ok(None),
        }
    }

    /// Makes it the answer that a principal has had its share.
    #[cold]
    pub(super) fn quota_used_up(&mut self, id: Option<&str>) -> Handled {
        self.counters.reached(Reached::Principal);
        let retry_after_ms = self.retry_after(1_000);
        let data = json!({"executed": false, "retryAfterMs": retry_after_ms, "scope": "principal"});
        let error = RpcError::new(code::QUOTA, "this principal has had its share for now").with(data);
        self.refused(id, &Refused { status: 429, error, retry_after_ms: Some(retry_after_ms) })
    }

    /// The same for what is no message yet.
    #[cold]
    pub(super) fn over_quota(&mut self, method: Method, closes: bool, out: &mut Vec<u8>) {
        let handled = self.quota_used_up(None);
        self.settle(handled, method, 0, closes, out);
    }
}

/// The address that clients know this server by.
fn resource(gate: &Gate, head: &Head<'_>) -> String {
    if let Some(resource) = &gate.config.resource {
        return resource.clone();
    }
    let host = head.known.host.value().and_then(|host| std::str::from_utf8(host).ok()).unwrap_or("localhost");
    let scheme = if gate.config.tls.is_some() { "https" } else { "http" };
    head.origin.map_or_else(|| format!("{scheme}://{host}/mcp"), |origin| format!("{origin}/mcp"))
}

/// The origin of an address, and its path; a path that is only "/" is none.
fn split(resource: &str) -> (&str, &str) {
    let authority = resource.find("://").map_or(0, |at| at + 3);
    let at = resource[authority..].find('/').map_or(resource.len(), |at| authority + at);
    let (origin, path) = resource.split_at(at);
    (origin, if path == "/" { "" } else { path })
}

/// Tells how to come in (RFC 6750, RFC 9728).
#[cold]
fn challenge(gate: &Gate, head: &Head<'_>, denied: &Denied, needed: &[String]) -> String {
    let named = resource(gate, head);
    let (origin, path) = split(&named);
    let mut field = if gate.has_issuers() {
        format!("WWW-Authenticate: Bearer resource_metadata=\"{origin}{METADATA}{path}\"")
    } else {
        // RFC 6750 wants a parameter.
        "WWW-Authenticate: Bearer realm=\"mcp\"".to_string()
    };
    if let Some(error) = denied.error {
        field.push_str(&format!(", error=\"{error}\""));
    }
    if !needed.is_empty() {
        field.push_str(&format!(", scope=\"{}\"", needed.join(" ")));
    }
    field + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_of_a_resource_is_before_its_path() {
        for (resource, origin, path) in [
            ("https://mcp.example/api/mcp", "https://mcp.example", "/api/mcp"),
            ("https://mcp.example:8443/mcp", "https://mcp.example:8443", "/mcp"),
            ("https://mcp.example/", "https://mcp.example", ""),
            ("https://mcp.example", "https://mcp.example", ""),
        ] {
            assert_eq!(split(resource), (origin, path), "{resource}");
        }
    }
}
