//! Ctrl-C: once to end in order, twice to hurry.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Signals so close together count once; nobody presses Ctrl-C twice so quickly.
const ONE_WISH: Duration = Duration::from_millis(100);

/// Counts SIGINT, SIGTERM and the first SIGHUP from now on: a terminal is closed once, whoever tells of it.
pub(crate) fn watch() -> std::io::Result<watch::Receiver<u32>> {
    let mut ends = Ends {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
        hangup: if is_ignored(SignalKind::hangup()) { None } else { Some(signal(SignalKind::hangup())?) },
    };
    let (sender, receiver) = watch::channel(0);
    tokio::spawn(async move {
        loop {
            ends.next().await;
            sender.send_modify(|count| *count += 1);
            // `timeout` and service managers signal the process and its group: that is one wish, not two.
            let more = async {
                loop {
                    ends.next().await;
                }
            };
            let _ = tokio::time::timeout(ONE_WISH, more).await;
        }
    });
    Ok(receiver)
}

struct Ends {
    interrupt: Signal,
    terminate: Signal,
    /// None where it says nothing, or nothing more.
    hangup: Option<Signal>,
}

impl Ends {
    async fn next(&mut self) {
        let Self { interrupt, terminate, hangup } = self;
        let hung_up = async {
            match hangup.as_mut() {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hung_up => *hangup = None,
        }
    }
}

/// True where whoever started this process did not want it to hear of that signal, as `nohup` does.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_some_and(|mask| (mask >> (kind.as_raw_value() - 1)) & 1 == 1)
}
