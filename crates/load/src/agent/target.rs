//! What the orchestrator said about the target, in the form in which the agent uses it.

mod secrets;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use erlmcp_protocol::client::request::{BadRequest, Peer};
use erlmcp_protocol::era::Version;

use crate::allowed::Allowed;
use crate::net::tls::{Tls, TlsError};
use crate::proto;
use crate::settings::Settings;
use crate::tokens::Tokens;
pub(super) use secrets::Secrets;

/// Which eras may be spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Eras {
    Auto,
    Modern,
    Legacy,
}

/// How the target is spoken to, once that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spoken {
    pub(super) version: Version,
    pub(super) session: Option<String>,
}

/// The header that a connection's own token comes in.
const AUTHORIZATION: &str = "authorization";

/// Why a setup cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadSetup {
    #[error("the address {0:?} of the target is not IP:PORT")]
    Address(String),
    #[error("the number {0} of an agent or replica is too large")]
    Number(u32),
    #[error("the era {0:?} is none of auto, modern, legacy")]
    Era(String),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Request(#[from] BadRequest),
}

/// The target of the run.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) endpoints: Vec<(u16, SocketAddr)>,
    pub(super) authority: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    /// The same for connections that have tokens of their own; None: they have none.
    pub(super) headers_of_load: Option<Vec<(String, String)>>,
    pub(super) eras: Eras,
    pub(super) tls: Option<Tls>,
    pub(super) allowed: Allowed,
    /// A request's.
    pub(super) timeout: Duration,
    pub(super) secrets: Secrets,
}

impl Target {
    pub(super) fn of(setup: &proto::Setup) -> Result<Self, BadSetup> {
        let eras = match setup.era.as_str() {
            "" | "auto" => Eras::Auto,
            "modern" => Eras::Modern,
            "legacy" => Eras::Legacy,
            other => return Err(BadSetup::Era(other.into())),
        };
        let tls =
            if setup.tls { Some(Tls::new(host_of(&setup.authority), &setup.ca_pem, setup.insecure)?) } else { None };
        let headers: Vec<(String, String)> =
            setup.headers.iter().map(|header| (header.name.clone(), header.value.clone())).collect();
        let is_other = |(name, _): &&(String, String)| !name.eq_ignore_ascii_case(AUTHORIZATION);
        let of_load = || headers.iter().filter(is_other).cloned().collect();
        Ok(Self {
            headers_of_load: (!setup.tokens.is_empty()).then(of_load),
            endpoints: endpoints(&setup.endpoints)?,
            authority: setup.authority.clone(),
            path: setup.path.clone(),
            headers,
            eras,
            tls,
            allowed: Allowed { foreign: setup.allow_foreign },
            timeout: Duration::from_micros(setup.timeout_us.max(1)),
            secrets: Secrets::of(setup),
        })
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.endpoints.iter().map(|(_, address)| *address).collect()
    }

    /// What is known before anything was asked.
    pub(super) fn assumed(&self) -> Spoken {
        let version = if self.eras == Eras::Legacy { Version::NEWEST_LEGACY } else { Version::NEWEST };
        Spoken { version, session: None }
    }

    pub(super) fn peer<'a>(&'a self, spoken: &'a Spoken) -> Peer<'a> {
        Peer {
            authority: &self.authority,
            path: &self.path,
            headers: &self.headers,
            version: spoken.version,
            session: spoken.session.as_deref(),
        }
    }

    /// The same for the engine's connections, whose own tokens come to what is rendered for them.
    pub(super) fn peer_of_load<'a>(&'a self, spoken: &'a Spoken) -> Peer<'a> {
        Peer { headers: self.headers_of_load.as_ref().unwrap_or(&self.headers), ..self.peer(spoken) }
    }
}

/// How connections are made and requests are timed.
pub(super) fn settings(setup: &proto::Setup) -> Settings {
    Settings {
        agent: setup.agent,
        agents: setup.agents,
        seed: setup.seed,
        timeout_us: setup.timeout_us.max(1),
        connect_timeout_us: setup.connect_timeout_us.max(1),
        spread_sources: setup.spread_sources,
        reset_on_close: setup.reset_on_close,
        allowed: Allowed { foreign: setup.allow_foreign },
        raw_latencies: setup.raw_latencies,
        tokens: Tokens::new(&setup.tokens, setup.agent, setup.agents),
    }
}

/// Addresses with their replicas.
pub(super) fn endpoints(list: &[proto::Endpoint]) -> Result<Vec<(u16, SocketAddr)>, BadSetup> {
    list.iter()
        .map(|endpoint| {
            let replica = u16::try_from(endpoint.replica).map_err(|_| BadSetup::Number(endpoint.replica))?;
            let address = endpoint.address.parse().map_err(|_| BadSetup::Address(endpoint.address.clone()))?;
            Ok((replica, address))
        })
        .collect()
}

/// The host of an authority: without its port, an IPv6 address in its brackets.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.ends_with(':') => host,
        _ => authority,
    }
}
