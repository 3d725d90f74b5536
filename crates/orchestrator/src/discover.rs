//! `discover`: what a server tells of itself.

use std::net::SocketAddr;
use std::time::Duration;

use erlmcp_load::agent::{self, Conversation, Survey};
use erlmcp_load::proto;

use crate::target::{Target, Url};
use crate::{Era, StressError};

/// Who is to be asked, and how.
#[derive(Debug, Clone)]
pub struct DiscoverConfig {
    pub url: String,
    pub era: Era,
    /// Name and value of headers for every request.
    pub headers: Vec<(String, String)>,
    /// Root certificates to trust beside the system's, PEM; empty for none.
    pub ca_pem: String,
    /// Trusts any certificate.
    pub insecure: bool,
}

/// Asks the server, with a few requests that change nothing, and watches a stream of it for keep-alives, for at most
/// `watch`. Any host may be asked: that is no load.
///
/// # Errors
/// Where it cannot be asked or does not answer in MCP, as one sentence that says what to do.
pub async fn discover(config: DiscoverConfig, watch: Duration) -> Result<(String, Survey), StressError> {
    let (url, setup) = resolved(config).await?;
    let asked = tokio::task::spawn_blocking(move || agent::survey(&setup, watch)).await;
    let survey = asked.map_err(|error| StressError::failed(format!("an internal error: {error}")))?;
    let survey = survey.map_err(|why| StressError::failed(format!("{url} cannot be discovered: {why}")))?;
    Ok((url.to_string(), survey))
}

/// Speaks with the server as an agent does, call by call. Any host may be spoken to: that is no load.
///
/// # Errors
/// Where it does not answer in MCP, and those of `talk`.
pub async fn converse<T: Send + 'static>(
    config: DiscoverConfig,
    talk: impl FnOnce(&mut Conversation<'_>) -> Result<T, String> + Send + 'static,
) -> Result<T, StressError> {
    let (_, setup) = resolved(config).await?;
    let spoken = tokio::task::spawn_blocking(move || agent::converse(&setup, talk)).await;
    spoken.map_err(|error| StressError::failed(format!("an internal error: {error}")))?.map_err(StressError::failed)
}

async fn resolved(config: DiscoverConfig) -> Result<(Url, proto::Setup), StressError> {
    let url = Url::parse(&config.url)?;
    let addresses = Target::addresses(&url).await?;
    let setup = setup(config, &url, &addresses)?;
    Ok((url, setup))
}

/// What an agent is told that speaks with these addresses, without load.
///
/// # Errors
/// Where certificates are given for a target without TLS.
pub(crate) fn setup(config: DiscoverConfig, url: &Url, addresses: &[SocketAddr]) -> Result<proto::Setup, StressError> {
    url.has_use_for(&config.ca_pem, config.insecure)?;
    let endpoint = |address: &SocketAddr| proto::Endpoint { replica: 0, address: address.to_string() };
    let header = |(name, value): (String, String)| proto::Header { name, value };
    Ok(proto::Setup {
        endpoints: addresses.iter().map(endpoint).collect(),
        authority: url.authority.clone(),
        path: url.path.clone(),
        tls: url.tls,
        ca_pem: config.ca_pem,
        insecure: config.insecure,
        headers: config.headers.into_iter().map(header).collect(),
        era: config.era.name().into(),
        allow_foreign: true,
        ..proto::Setup::default()
    })
}
