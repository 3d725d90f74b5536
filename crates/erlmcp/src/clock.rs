//! The only place where the binary reads the time: for what stands on a screen, and what a fixture takes.

use std::time::Instant;

/// Milliseconds since it was made.
pub(crate) struct ScreenClock(Instant);

impl ScreenClock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.0.elapsed().as_millis() as u64
    }
}
