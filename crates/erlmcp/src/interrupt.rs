//! Ctrl-C: once to end in order, twice to hurry.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Signals so close together count once; nobody presses Ctrl-C twice so quickly.
const ONE_WISH: Duration = Duration::from_millis(100);

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
            // `timeout` and service managers signal the process and its group: that is one wish, not two.
            let more = async {
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                }
            };
            let _ = tokio::time::timeout(ONE_WISH, more).await;
        }
    });
    Ok(receiver)
}
