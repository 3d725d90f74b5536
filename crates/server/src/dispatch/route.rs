//! Which request goes where.

use erlmcp_protocol::server::legacy::{Said, said};
use erlmcp_protocol::server::{Head, Method, Refusal};

use super::entering::METADATA;

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// A message for the MCP endpoint.
    Mcp,
    Page(Page),
    /// A client of the older era wants a stream of its session.
    Push,
    /// A client of the older era ends its session.
    End,
    /// `OPTIONS *`, and what it is answered with.
    Options,
    /// Refused. `allow` lists the methods of a path that is there.
    Refused {
        refusal: Refusal,
        allow: Option<&'static str>,
    },
}

/// Pages beside the MCP endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// The process lives.
    Health,
    /// It takes requests.
    Ready,
    Metrics,
    Status,
    /// Where tokens for this server come from (RFC 9728).
    Resource,
}

/// All methods that some path takes.
pub(crate) const ALLOW_ANY: &str = "GET, HEAD, POST, DELETE";

pub(crate) fn route(head: &Head<'_>) -> Route {
    let refused = |refusal| Route::Refused { refusal, allow: None };
    let not_allowed = |allow| Route::Refused {
        refusal: Refusal::keeping(405, "this path does not take that method"),
        allow: Some(allow),
    };
    match head.method {
        Method::Unknown => return refused(Refusal::keeping(501, "HTTP has no such method")),
        Method::Connect | Method::Trace => return not_allowed(ALLOW_ANY),
        Method::Options if head.path == "*" => return Route::Options,
        _ => {}
    }
    let page = match head.path {
        "/mcp" if head.method == Method::Post => return Route::Mcp,
        "/mcp" if matches!(head.method, Method::Get | Method::Delete) && is_older(head) => {
            return if head.method == Method::Get { Route::Push } else { Route::End };
        }
        // This era has POST only.
        "/mcp" if matches!(head.method, Method::Get | Method::Delete) => return not_allowed("POST"),
        "/mcp" => return not_allowed("GET, POST, DELETE"),
        "/health" => Page::Health,
        "/ready" => Page::Ready,
        "/metrics" => Page::Metrics,
        "/status" => Page::Status,
        path if path.starts_with(METADATA) => Page::Resource,
        "*" => return refused(Refusal::keeping(400, "only OPTIONS may ask for *")),
        _ => return refused(Refusal::keeping(404, "there is nothing at this path; MCP is at /mcp")),
    };
    if matches!(head.method, Method::Get | Method::Head) { Route::Page(page) } else { not_allowed("GET, HEAD") }
}

/// Only the older era has GET and DELETE; a version that nobody speaks is told so there.
fn is_older(head: &Head<'_>) -> bool {
    matches!(said(&head.known), Said::Legacy | Said::Unknown)
}
