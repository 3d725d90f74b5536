//! What an erlmcp server says of its own parts, on its page of status.

use std::net::SocketAddr;

use erlmcp_record::names::detail;
use serde::Deserialize;

use super::talk::Talk;
use super::{Door, Visited, texts};

/// A server's page, as far as a visitor needs it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(super) struct Figures {
    pub(super) connections: Connections,
    #[serde(default)]
    pub(super) connections_limit: u64,
    #[serde(default)]
    pub(super) connections_refused_total: u64,
    pub(super) requests_total: u64,
    pub(super) worker_pool: WorkerPool,
    pub(super) queue: Queue,
    pub(super) components: Components,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(super) struct Connections {
    mcp: u64,
    admin: u64,
    new: u64,
}

impl Connections {
    pub(super) fn all(&self) -> u64 {
        self.mcp + self.admin + self.new
    }
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(super) struct WorkerPool {
    pub(super) size: u64,
    #[serde(default)]
    pub(super) active_max: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(super) struct Queue {
    pub(super) depth: u64,
    pub(super) limit: u64,
    pub(super) depth_max: u64,
    pub(super) refused_total: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(super) struct Components {
    pub(super) tools: u64,
    pub(super) clock_ns: u64,
    pub(super) sampled: u64,
    pub(super) router: Times,
    pub(super) lookup: Times,
    pub(super) token_check: Times,
    pub(super) tokens_good: u64,
    pub(super) tokens_refused: u64,
    pub(super) batches: u64,
    pub(super) batch_messages: u64,
    pub(super) batches_refused: u64,
    pub(super) notifications: u64,
    pub(super) fan_out: Times,
    pub(super) queue_wait: Times,
    pub(super) worker_time: Times,
}

/// A histogram whose buckets double; the last one has no bound.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(super) struct Times {
    pub(super) buckets: Vec<u64>,
    pub(super) sum_ns: u64,
}

/// The upper bound of the first bucket, ns, of the two kinds of histograms.
pub(super) const SHORT_NS: u64 = 32;
pub(super) const LONG_NS: u64 = 16_000;

impl Times {
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// What came since then.
    pub(super) fn since(&self, before: &Self) -> Self {
        let earlier = before.buckets.iter().copied().chain(std::iter::repeat(0));
        let buckets = self.buckets.iter().zip(earlier).map(|(now, then)| now.saturating_sub(then)).collect();
        Self { buckets, sum_ns: self.sum_ns.saturating_sub(before.sum_ns) }
    }

    pub(super) fn mean_ns(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.sum_ns as f64 / self.count() as f64)
    }

    /// The upper bound of the bucket that a quantile is in; None where there is nothing, or it is above all bounds.
    pub(super) fn quantile_ns(&self, quantile: f64, first_ns: u64) -> Option<f64> {
        let found = self.bucket_of(quantile)?;
        (found + 1 < self.buckets.len()).then(|| (first_ns << found) as f64)
    }

    /// The last bound, where a quantile is above it.
    fn above_ns(&self, quantile: f64, first_ns: u64) -> Option<f64> {
        let found = self.bucket_of(quantile)?;
        (found > 0 && found + 1 == self.buckets.len()).then(|| (first_ns << (found - 1)) as f64)
    }

    fn bucket_of(&self, quantile: f64) -> Option<usize> {
        let rank = (self.count() as f64 * quantile).ceil().max(1.0) as u64;
        let mut seen = 0;
        self.buckets.iter().position(|count| {
            seen += count;
            seen >= rank
        })
    }
}

impl Visited {
    /// With short times of the server's own.
    pub(super) fn with_times(self, times: &Times) -> Self {
        let above_ns = times.above_ns(0.95, SHORT_NS);
        self.with(detail::SAMPLES, times.count() as f64)
            .with_some(detail::MEAN_NS, times.mean_ns())
            .with_some(detail::P95_NS, times.quantile_ns(0.95, SHORT_NS).or(above_ns))
            .with_some(detail::P95_ABOVE, above_ns.map(|_| 1.0))
    }
}

/// What the server at an address says now.
pub(super) async fn at(door: &Door, address: SocketAddr) -> Result<Figures, String> {
    let answered = Talk::connect(&door.way, address).await?.ask(&texts::get(door, "/status")).await?;
    let not_told = |error: serde_json::Error| format!("the target does not tell what its parts count: {error}");
    serde_json::from_slice(&answered.body).map_err(not_told)
}

/// What the first one says.
pub(super) async fn now(door: &Door) -> Result<Figures, String> {
    at(door, door.first()?).await
}

/// How far two counts of the same are apart.
pub(super) fn difference(one: u64, other: u64) -> f64 {
    one.abs_diff(other) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_bounds_of_buckets() {
        let times = Times { buckets: vec![90, 9, 1, 0], sum_ns: 4_000 };
        let of = |quantile| times.quantile_ns(quantile, SHORT_NS);
        assert_eq!((of(0.5), of(0.95), of(1.0)), (Some(32.0), Some(64.0), Some(128.0)));
        assert_eq!(times.mean_ns(), Some(40.0));
        let above = Times { buckets: vec![0, 1], sum_ns: 9 };
        assert_eq!((above.quantile_ns(0.5, SHORT_NS), Times::default().quantile_ns(0.5, SHORT_NS)), (None, None));
        assert_eq!((above.above_ns(0.5, SHORT_NS), times.above_ns(0.99, SHORT_NS)), (Some(32.0), None));
        let since = times.since(&Times { buckets: vec![80, 9], sum_ns: 1_000 });
        assert_eq!((since.buckets.as_slice(), since.sum_ns), ([10, 0, 1, 0].as_slice(), 3_000));
    }

    #[test]
    fn a_quantile_above_all_bounds_is_told_by_the_last_of_them() {
        let of = |buckets: Vec<u64>| {
            let detail = Visited::default().with_times(&Times { buckets, sum_ns: 900 }).detail;
            [detail::P95_NS, detail::P95_ABOVE].map(|name| detail.get(name).copied())
        };
        assert_eq!(of(vec![0, 0, 0, 9]), [Some(128.0), Some(1.0)]);
        assert_eq!(of(vec![0, 0, 9, 0]), [Some(128.0), None]);
        assert_eq!(of(vec![0, 0, 0, 0]), [None, None]);
    }
}
