//! Who looks at the page.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Pages that are kept up to date at once.
const VIEWERS_MAX: usize = 16;

/// Those who look. All clones count the same.
#[derive(Debug, Clone)]
pub(super) struct Viewers(Arc<Semaphore>);

impl Viewers {
    pub(super) fn none_yet() -> Self {
        Self(Arc::new(Semaphore::new(VIEWERS_MAX)))
    }

    /// One more, until what it gets is dropped; None where there are too many.
    pub(super) fn enter(&self) -> Option<OwnedSemaphorePermit> {
        self.0.clone().try_acquire_owned().ok()
    }

    pub(super) fn are_there(&self) -> bool {
        self.0.available_permits() < VIEWERS_MAX
    }
}
