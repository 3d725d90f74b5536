//! epoll, which waits to the microsecond.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::time::Timespec;

use super::Readiness;

/// Events taken from the kernel at once.
const EVENTS: usize = 1_024;
/// What the event of a wake says.
const WAKE: u64 = u64::MAX;

/// See the module. A connection's readiness is told once, when it comes up (edge-triggered).
#[derive(Debug)]
pub(super) struct Poll {
    epoll: OwnedFd,
    wake: Arc<OwnedFd>,
}

/// Wakes the engine's loop from another thread.
#[derive(Debug, Clone)]
pub(crate) struct Wake(Arc<OwnedFd>);

impl Wake {
    pub(crate) fn wake(&self) {
        // Nobody reads the count: that it has changed is what wakes. Where it fails the loop still turns at least once
        // a second.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }
}

impl Poll {
    /// # Errors
    /// Where there are no descriptors left, or the kernel is too old.
    pub(super) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        epoll::add(&epoll, &wake, EventData::new_u64(WAKE), EventFlags::IN | EventFlags::ET)?;
        let poll = Self { epoll, wake };
        poll.wait(Some(Duration::ZERO), |_, _| {}).map_err(|error| match Errno::from_io_error(&error) {
            Some(Errno::NOSYS) => io::Error::other("this kernel has no epoll_pwait2, which Linux has since 5.11"),
            _ => error,
        })?;
        Ok(poll)
    }

    pub(super) fn waker(&self) -> Wake {
        Wake(Arc::clone(&self.wake))
    }

    pub(super) fn add(&self, socket: impl AsFd, key: u32) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(u64::from(key)), flags)?)
    }

    pub(super) fn remove(&self, socket: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, socket)?)
    }

    /// Waits until something is ready, another thread wakes it, or the time is over (None: no limit), and tells which
    /// connections are ready. True where there may be more of them than were taken.
    pub(super) fn wait(&self, timeout: Option<Duration>, mut tell: impl FnMut(u32, Readiness)) -> io::Result<bool> {
        let timeout = timeout
            .map(|timeout| Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) });
        let mut space = [const { MaybeUninit::uninit() }; EVENTS];
        let events = match epoll::wait(&self.epoll, &mut space, timeout.as_ref()) {
            Ok((events, _)) => events,
            Err(Errno::INTR) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        for Event { flags, data, .. } in events.iter().copied() {
            if let Ok(key) = u32::try_from(data.u64()) {
                tell(key, readiness(flags));
            }
        }
        Ok(events.len() == EVENTS)
    }
}

fn readiness(flags: EventFlags) -> Readiness {
    Readiness {
        readable: flags.contains(EventFlags::IN),
        writable: flags.contains(EventFlags::OUT),
        ended: flags.intersects(EventFlags::HUP | EventFlags::RDHUP | EventFlags::ERR),
    }
}
