//! Ctrl-C: once to end in order, twice to hurry.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Counts SIGINT and SIGTERM from now on.
pub(crate) fn watch() -> std::io::Result<watch::Receiver<u32>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (sender, receiver) = watch::channel(0);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            sender.send_modify(|count| *count += 1);
        }
    });
    Ok(receiver)
}
