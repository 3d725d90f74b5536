//! Compresses the parts of a journal that were closed, slowly and behind everything else, so that nothing that is measured
//! feels it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use erlmcp_record::press_part;

/// Parts that wait; one more stays as it is.
const WAITING_MAX: usize = 64;
/// Bytes a second.
const PACE: u64 = 4 << 20;
/// The lowest of priorities.
const NICE: i32 = 19;

/// The thread that compresses.
#[derive(Debug)]
pub(crate) struct Pressing {
    parts: SyncSender<u32>,
    hurry: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Pressing {
    /// # Errors
    /// Where the system has no thread left.
    pub(crate) fn start(folder: PathBuf) -> io::Result<Self> {
        let (parts, taken) = sync_channel(WAITING_MAX);
        let hurry = Arc::new(AtomicBool::new(false));
        let hurries = Arc::clone(&hurry);
        let run = move || press_all(&folder, &taken, &hurries);
        let thread = std::thread::Builder::new().name("pressing".into()).spawn(run)?;
        Ok(Self { parts, hurry, thread })
    }

    /// Where the numbers of closed parts are put.
    pub(crate) fn parts(&self) -> SyncSender<u32> {
        self.parts.clone()
    }

    /// Compresses what is left without a pause. All copies of [`parts`](Self::parts) must be gone.
    pub(crate) fn finish(self) {
        self.hurry.store(true, Ordering::Relaxed);
        drop(self.parts);
        // A panic of it was printed, and what it left uncompressed is read all the same.
        let _ = self.thread.join();
    }
}

fn press_all(folder: &std::path::Path, parts: &Receiver<u32>, hurry: &AtomicBool) {
    // Where the kernel refuses, the pace alone must do.
    let _ = rustix::process::setpriority_process(None, NICE);
    let pace = |bytes: usize| {
        if !hurry.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_micros(bytes as u64 * 1_000_000 / PACE));
        }
    };
    while let Ok(part) = parts.recv() {
        if let Err(error) = press_part(folder, part, pace) {
            tracing::warn!("part {part} of the record stays uncompressed: {error}");
        }
    }
}
