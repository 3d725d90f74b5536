//! What an engine is told once.

use crate::allowed::Allowed;
use crate::tokens::Tokens;

/// How connections are made and requests are timed.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// From 0, of so many.
    pub(crate) agent: u32,
    pub(crate) agents: u32,
    pub(crate) seed: u64,
    /// A request's.
    pub(crate) timeout_us: u64,
    pub(crate) connect_timeout_us: u64,
    /// Loopback target: many source addresses.
    pub(crate) spread_sources: bool,
    /// Close with SO_LINGER 0, else FIN.
    pub(crate) reset_on_close: bool,
    pub(crate) allowed: Allowed,
    /// Rows have every latency beside their histogram.
    pub(crate) raw_latencies: bool,
    /// Of its connections.
    pub(crate) tokens: Tokens,
}
