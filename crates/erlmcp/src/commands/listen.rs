//! From `--listen` to addresses, from the engine's flags to its limits.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;

use anyhow::{Context, bail};
use erlmcp_server::{Limits, SessionKey};

use crate::args::EngineArgs;

/// Every address that these stand for, once: `localhost` is ::1 and 127.0.0.1 where the system says so, and a client may
/// try either.
pub(super) fn resolve(listen: &[String]) -> anyhow::Result<Vec<SocketAddr>> {
    let mut addresses = Vec::new();
    for one in listen {
        let wrong = || format!("{one:?} is no address to listen on: write it as 127.0.0.1:8080");
        let mut resolved = one.to_socket_addrs().with_context(wrong)?.peekable();
        if resolved.peek().is_none() {
            bail!("{one:?} has no address: write it as 127.0.0.1:8080");
        }
        for address in resolved {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
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
    if engine.queue.is_some() || engine.queue_wait.is_some() {
        // What was typed holds, however long calls take.
        limits.queue_wait_min_ms = limits.queue_wait_max_ms;
    }
    if let Some(connections) = engine.max_connections {
        limits.connections_max = connections as u64;
    }
    if let Some(connections) = engine.max_connections_per_address {
        limits.connections_per_address_max = connections as u64;
    }
    limits
}

/// The key that servers and clusters share, where they do.
pub(super) fn session_key(engine: &EngineArgs) -> anyhow::Result<Option<SessionKey>> {
    engine.session_key_file.as_deref().map(read_session_key).transpose()
}

fn read_session_key(path: &Path) -> anyhow::Result<SessionKey> {
    let secret = std::fs::read(path).with_context(|| format!("cannot read the session key {}", path.display()))?;
    SessionKey::of_secret(&secret).with_context(|| {
        let (there, wanted) = (secret.len(), SessionKey::SECRET_BYTES_MIN);
        format!(
            "{} has {there} bytes, and a session key {wanted} or more: make one with head -c {wanted} /dev/urandom",
            path.display()
        )
    })
}

/// Cores of this machine that may be used.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::args::{EntryArgs, TelemetryArgs};

    #[test]
    fn addresses_are_resolved_once_each() {
        let resolved = |typed: &[&str]| resolve(&typed.iter().map(ToString::to_string).collect::<Vec<_>>());
        let several = resolved(&["127.0.0.1:80", "[::1]:80", "127.0.0.1:80", "127.0.0.1:81"]).expect("addresses");
        let said: Vec<String> = several.iter().map(ToString::to_string).collect();
        assert_eq!(said, ["127.0.0.1:80", "[::1]:80", "127.0.0.1:81"]);
        let localhost = resolved(&["localhost:80"]).expect("localhost is known everywhere");
        assert!(localhost.iter().all(|address| address.ip().is_loopback()), "{localhost:?}");
        for wrong in ["127.0.0.1", "80", "127.0.0.1:99999"] {
            let error = resolved(&["127.0.0.1:80", wrong]).expect_err(wrong).to_string();
            assert!(error.contains("127.0.0.1:8080") && error.contains(&format!("{wrong:?}")), "{error}");
        }
        assert!(resolved(&[]).expect("nothing is wrong").is_empty());
    }

    #[test]
    fn a_session_key_is_the_same_for_the_same_secret_and_never_short() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        std::fs::write(&path, [7; 31]).expect("it is ours");
        let why = read_session_key(&path).expect_err("too short").to_string();
        assert!(why.contains("has 31 bytes, and a session key 32 or more"), "{why}");
        std::fs::write(&path, [7; 32]).expect("it is ours");
        assert!(read_session_key(&path).is_ok());
        assert!(read_session_key(&folder.path().join("none")).is_err());
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
            telemetry: TelemetryArgs::default(),
            entry: EntryArgs::default(),
            store: None,
            session_key_file: None,
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
        let queue = |queue: Option<usize>, queue_wait: Option<Duration>| {
            let limits = limits(&EngineArgs { queue, queue_wait, ..engine.clone() });
            (limits.queue_max, limits.queue_wait_min_ms, limits.queue_wait_max_ms)
        };
        assert_eq!(queue(None, None), (500, 5, 30_000));
        assert_eq!(queue(Some(7), None), (7, 30_000, 30_000));
        assert_eq!(queue(None, Some(Duration::from_secs(1))), (500, 1_000, 1_000));
    }
}
