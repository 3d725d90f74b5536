//! From `--listen` to addresses, from the engine's flags to its limits.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context, bail};
use erlmcp_server::Limits;

use crate::args::EngineArgs;

/// Every address that `listen` stands for: `localhost` is ::1 and 127.0.0.1 where the system says so, and a client may
/// try either.
pub(super) fn resolve(listen: &str) -> anyhow::Result<Vec<SocketAddr>> {
    let resolved = listen
        .to_socket_addrs()
        .with_context(|| format!("{listen:?} is no address to listen on: write it as 127.0.0.1:8080"))?;
    let mut addresses = Vec::new();
    for address in resolved {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        bail!("{listen:?} has no address: write it as 127.0.0.1:8080");
    }
    Ok(addresses)
}

/// The defaults, and what was typed over them.
pub(super) fn limits(engine: &EngineArgs) -> Limits {
    let mut limits = Limits { drain_timeout_ms: engine.drain_timeout.as_millis() as u64, ..Limits::default() };
    for (name, value) in &engine.limits {
        // The name was looked at when it was read.
        let _is_known = limits.set(name, *value);
    }
    engine.entry.limit(&mut limits);
    if let Some(workers) = engine.workers {
        limits.workers = workers as u64;
    }
    if let Some(queue) = engine.queue {
        limits.queue_max = queue as u64;
    }
    if let Some(wait) = engine.queue_wait {
        limits.queue_wait_max_ms = wait.as_millis() as u64;
    }
    if let Some(connections) = engine.max_connections {
        limits.connections_max = connections as u64;
    }
    if let Some(connections) = engine.max_connections_per_address {
        limits.connections_per_address_max = connections as u64;
    }
    limits
}

/// Cores of this machine that may be used.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::args::EntryArgs;

    #[test]
    fn addresses_are_resolved_once_each() {
        assert_eq!(resolve("127.0.0.1:80").expect("an address"), ["127.0.0.1:80".parse().expect("an address")]);
        let localhost = resolve("localhost:80").expect("localhost is known everywhere");
        assert!(localhost.iter().all(|address| address.ip().is_loopback()), "{localhost:?}");
        for wrong in ["127.0.0.1", "80", "127.0.0.1:99999"] {
            let error = resolve(wrong).expect_err(wrong).to_string();
            assert!(error.contains("127.0.0.1:8080"), "{error}");
        }
    }

    #[test]
    fn what_was_typed_goes_over_the_defaults() {
        let drain_timeout = Duration::from_secs(3);
        let engine = EngineArgs {
            workers: Some(4),
            queue: None,
            queue_wait: None,
            max_connections: Some(70),
            max_connections_per_address: Some(9),
            limits: vec![("workers".into(), 9), ("head_fields_max".into(), 8)],
            allowed_host: Vec::new(),
            entry: EntryArgs::default(),
            store: None,
            fixtures: None,
            drain_timeout,
        };
        let expected = Limits {
            workers: 4,
            connections_max: 70,
            connections_per_address_max: 9,
            head_fields_max: 8,
            drain_timeout_ms: 3_000,
            ..Limits::default()
        };
        assert_eq!(limits(&engine), expected);
    }
}
