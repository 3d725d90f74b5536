//! The watchdog's own side.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdStream;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use super::{DEBTS_MAX, Debt, LEASE, Reply, Request};
use crate::StressError;

/// The whole life of a watchdog, which its owner started with a socket as standard input.
///
/// # Errors
/// Where standard input is no socket: somebody else started it.
pub async fn keep_watch() -> Result<(), StressError> {
    let failed = |error: std::io::Error| StressError::failed(format!("a watchdog is started by a run: {error}"));
    let input = std::io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
    let stream = StdStream::from(input);
    stream.set_nonblocking(true).map_err(failed)?;
    let stream = UnixStream::from_std(stream).map_err(failed)?;
    // Who ends everything is the owner: what ends a whole session or service must not end this one before its work.
    let _deaf = deaf().map_err(failed)?;
    Keeper::default().keep(stream).await;
    Ok(())
}

/// Signals that are not for it, taken and passed over as long as this lives.
fn deaf() -> std::io::Result<Vec<Signal>> {
    [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].into_iter().map(signal).collect()
}

#[derive(Debug, Default)]
struct Keeper {
    debts: BTreeMap<u64, Vec<Debt>>,
}

impl Keeper {
    /// Until the lease ends; then everything is undone.
    async fn keep(mut self, stream: UnixStream) {
        let (reading, mut writing) = stream.into_split();
        let mut lines = BufReader::new(reading).lines();
        while let Ok(Ok(Some(line))) = timeout(LEASE, lines.next_line()).await {
            let Some(reply) = self.take(&line).await else { continue };
            let text = serde_json::to_string(&reply).unwrap_or_default() + "\n";
            if writing.write_all(text.as_bytes()).await.is_err() {
                break;
            }
        }
        // The last first, as they were done one upon the other.
        for (_, debts) in std::mem::take(&mut self.debts).into_iter().rev() {
            for stuck in pay(&debts).await {
                tracing::error!("not undone: {stuck}");
            }
        }
    }

    async fn take(&mut self, line: &str) -> Option<Reply> {
        match serde_json::from_str(line) {
            Ok(Request::Renew) => None,
            Ok(Request::Hold { ticket, debts }) => {
                let held: usize = self.debts.values().map(Vec::len).sum();
                if held + debts.len() > DEBTS_MAX {
                    return Some(Reply { stuck: vec!["there is too much to undo already".into()] });
                }
                self.debts.entry(ticket).or_default().extend(debts);
                Some(Reply { stuck: Vec::new() })
            }
            Ok(Request::Release { ticket }) => {
                let debts = self.debts.remove(&ticket).unwrap_or_default();
                Some(Reply { stuck: pay(&debts).await })
            }
            Err(error) => Some(Reply { stuck: vec![format!("the watchdog does not understand: {error}")] }),
        }
    }
}

/// What could not be undone.
pub(super) async fn pay(debts: &[Debt]) -> Vec<String> {
    let mut stuck = Vec::new();
    for debt in debts.iter().rev() {
        stuck.extend(debt.pay().await.err());
    }
    stuck
}
