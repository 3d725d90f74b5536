use std::net::SocketAddr;

use erlmcp_protocol::client::answer::ANSWER_MAX;
use erlmcp_protocol::client::request::BadRequest;
use erlmcp_protocol::era::Version;

/// Why the target cannot be reached, as one sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("the target has no address")]
    NoAddress,
    #[error("{0} is not a loopback address: name its host with --allow-host if you may load it")]
    Foreign(SocketAddr),
    #[error("nobody listens on {0}: start the server, or check the port")]
    Refused(SocketAddr),
    #[error("{0} does not take connections within {1} s: check the address, a firewall, or a server that hangs")]
    ConnectTimeout(SocketAddr, u64),
    #[error("{0} cannot be connected to: {1}")]
    Connect(SocketAddr, String),
    #[error("{0} took the connection but did not answer within {1} s: is it an MCP server, and does it hang?")]
    Silent(SocketAddr, u64),
    #[error("{0} closed the connection without an answer: is it an HTTP server{hint}?", hint = if *.1 { "" } else { ", and does it want https://" })]
    Closed(SocketAddr, bool),
    #[error("{0} does not speak HTTP/1.1: is the port right, or does it want https://?")]
    NotHttp(SocketAddr),
    #[error("the server wants https:// at this port: name the target so")]
    WantsTls,
    #[error("the answer of {0} is larger than {mib} MiB, which no answer to a first request should be", mib = ANSWER_MAX >> 20)]
    TooLarge(SocketAddr),
    #[error("no secure connection to {0}: {1}")]
    Tls(SocketAddr, String),
    #[error("the server answers {0} to {1}: is the path right? MCP is mostly at /mcp")]
    WrongPath(u16, String),
    #[error("the server wants credentials (HTTP {0}): give them with -H \"Authorization: Bearer ...\"")]
    Credentials(u16),
    #[error("the server redirects to {0:?}: name that address instead")]
    Redirect(String),
    #[error("{}", unwell(*.0))]
    Unwell(u16),
    #[error("the server answers with a web page, not with MCP: is the path right? MCP is mostly at /mcp")]
    WebPage,
    #[error("the server answers, but not in MCP: {0}")]
    NotMcp(String),
    #[error("the server does not take the first request of MCP: {0}")]
    Rejected(String),
    #[error("the server speaks only the modern era: use --era modern")]
    OnlyModern,
    #[error("the server speaks only the versions {0}, and erlmcp none of them")]
    Versions(String),
    #[error("the server refuses the version {newest}, and names {0}: leave --era modern out", newest = Version::NEWEST.as_str())]
    OtherVersions(String),
    #[error("the server answers initialize with the version {0:?}, which is none that erlmcp speaks so")]
    Offered(String),
    #[error("what {0} lists does not come to an end within {1}")]
    Endless(SocketAddr, String),
    #[error("it took no answer in time")]
    Untaken,
    #[error("a call was answered with {0}")]
    NotDone(String),
    #[error("the probe of the target ended with an internal error: {0}")]
    Internal(String),
    #[error("{0}")]
    BadRequest(#[from] BadRequest),
}

/// 501 does not pass: it is what a web server says to a method that it has not.
fn unwell(status: u16) -> String {
    match status {
        501 => "the server answers HTTP 501 to a POST, so it is not an MCP server: correct the URL".into(),
        _ => format!("the server is not able to answer now (HTTP {status}): wait until it is healthy, then try again"),
    }
}

impl Trouble {
    /// True where another address of the same target may be better.
    pub(super) fn may_be_the_address(&self) -> bool {
        matches!(
            self,
            Trouble::Refused(_)
                | Trouble::ConnectTimeout(..)
                | Trouble::Connect(..)
                | Trouble::Silent(..)
                | Trouble::Closed(..)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_is_to_be_waited_for() {
        for status in [429, 500, 502, 503, 504] {
            assert!(Trouble::Unwell(status).to_string().contains("wait until it is healthy"), "{status}");
        }
        let said = Trouble::Unwell(501).to_string();
        assert!(said.contains("not an MCP server: correct the URL") && !said.contains("wait"), "{said}");
    }
}
