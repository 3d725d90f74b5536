//! The way to a target, step by step, for those who want to know where it ends.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::target::Target;
use super::exchange::Exchanger;
use super::trouble::Trouble;
use super::{PATIENCE, farewell, reach_at};
use crate::clock::monotonic_ns;
use crate::proto;

/// A step that was made, with its time in microseconds; or why the way ends there, in one sentence.
pub type Step<T> = Result<(T, u64), String>;

/// How far the way leads from an address that takes connections. A step that was not come to is None.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Approach {
    /// None without TLS, too.
    pub tls: Option<Step<()>>,
    /// The status of GET /health.
    pub health: Option<Step<u16>>,
    /// Who answers in MCP.
    pub mcp: Option<Step<proto::Reached>>,
    /// MCP was refused for want of credentials.
    pub wants_credentials: bool,
}

/// Goes the way with requests that change nothing, at the first address. It waits, so it is called on a thread that may.
/// `setup` as an agent gets it.
///
/// # Errors
/// Where the setup itself cannot be used (its certificates, its headers), as one sentence.
pub fn approach(setup: &proto::Setup) -> Result<Approach, String> {
    let (target, address) = first_of(setup)?;
    let mut approach = Approach::default();
    if target.tls.is_some() {
        let secured = Exchanger::new(&target, address, PATIENCE).and_then(|mut exchanger| exchanger.set_out());
        let secured = secured.map(|times| ((), times.tls_us.unwrap_or(0))).map_err(|trouble| trouble.to_string());
        let is_the_end = secured.is_err();
        approach.tls = Some(secured);
        if is_the_end {
            return Ok(approach);
        }
    }
    approach.health = Some(page_at(&target, address, "/health", PATIENCE));
    let met = step(|| reach_at(&target, address));
    if let Ok((found, _)) = &met {
        farewell(&target, &found.spoken);
    }
    approach.wants_credentials = matches!(met, Err(Trouble::Credentials(_)));
    approach.mcp = Some(met.map(|(found, us)| (found.reached(0), us)).map_err(|trouble| trouble.to_string()));
    Ok(approach)
}

/// GET of a page of the target, at its first address: its status. It waits, so it is called on a thread that may. Its
/// connection and its answer may take `within` each.
///
/// # Errors
/// Where the setup cannot be used, or there is no answer, as one sentence.
pub fn page(setup: &proto::Setup, path: &str, within: Duration) -> Step<u16> {
    let (target, address) = first_of(setup)?;
    page_at(&target, address, path, within)
}

fn first_of(setup: &proto::Setup) -> Result<(Target, SocketAddr), String> {
    let target = Target::of(setup).map_err(|error| error.to_string())?;
    let (_, address) = *target.endpoints.first().ok_or_else(|| Trouble::NoAddress.to_string())?;
    Ok((target, address))
}

fn page_at(target: &Target, address: SocketAddr, path: &str, within: Duration) -> Step<u16> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", target.authority);
    let asked = step(|| {
        let mut exchanger = Exchanger::new(target, address, within)?;
        exchanger.begin_stream(request.as_bytes()).map(|(status, _)| status)
    });
    asked.map_err(|trouble| trouble.to_string())
}

fn step<T>(go: impl FnOnce() -> Result<T, Trouble>) -> Result<(T, u64), Trouble> {
    let begun_ns = monotonic_ns();
    let done = go()?;
    Ok((done, (monotonic_ns() - begun_ns) / 1_000))
}
