//! A server's operations: the way to its store, and what is counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::figures::Counts;
use super::heart::Command;
use super::link::{Link, Said, Way};
use super::opening::{self, OpenError, Opened};
use super::place::StorePlace;
use super::process::StoreAddress;
use super::table::Incarnation;
use super::writer::{Order, Orders};
use crate::clock::monotonic_ns;
use crate::limits::Limits;
use crate::metrics::OperationFigures;
use crate::random;

/// While the store is known to be late, others wait this part of the time for it.
const LATE_PART: u32 = 20;

/// A server's operations.
#[derive(Debug)]
pub(crate) struct Operations {
    link: Arc<Link>,
    pub(crate) counts: Counts,
    tickets: AtomicU64,
    wait: Duration,
    finish_wait: Duration,
    pub(crate) result_bytes_max: usize,
    pub(crate) retry_after_min_ms: u64,
    /// Where the store is in this process.
    writer: Mutex<Option<(Orders, JoinHandle<()>)>>,
}

/// A number that nobody else has.
pub(crate) fn random_base() -> u64 {
    u64::from_ne_bytes(random::bytes()) | 1
}

impl Operations {
    fn new(
        way: Way,
        incarnation: Incarnation,
        limits: &Limits,
        runtime: &tokio::runtime::Handle,
        writer: Option<(Orders, JoinHandle<()>)>,
        has_place: bool,
    ) -> Arc<Self> {
        let size = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        let link = Link::new(way, incarnation, size(limits.store_backlog_max), has_place);
        runtime.spawn(Arc::clone(&link).run());
        Arc::new(Self {
            link,
            counts: Counts::default(),
            tickets: AtomicU64::new(1),
            wait: Duration::from_millis(limits.store_wait_ms),
            finish_wait: Duration::from_millis(limits.store_finish_wait_ms),
            result_bytes_max: size(limits.operation_result_bytes_max),
            retry_after_min_ms: limits.retry_after_min_ms,
            writer: Mutex::new(writer),
        })
    }

    /// With a store that this process opens. Takes its time, and is not to be called in async code.
    pub(crate) fn with_own(
        place: &StorePlace,
        replica: u16,
        limits: &Limits,
        runtime: &tokio::runtime::Handle,
    ) -> Result<Arc<Self>, OpenError> {
        let incarnation = Incarnation { base: random_base(), replica, number: 1 };
        let Opened { orders, writer, .. } = opening::open(place, incarnation.base, limits)?;
        // Whoever had a file before is not there any more. There is room: it is the first order.
        let _ = orders.try_send(Order::Living { base: incarnation.base, up_to: 0, living: Vec::new() });
        runtime.spawn(opening::look_around(orders.clone()));
        Ok(Self::new(Way::Here(orders.clone()), incarnation, limits, runtime, Some((orders, writer)), true))
    }

    /// With a store that is another process.
    pub(crate) fn at(
        address: StoreAddress,
        replica: u16,
        limits: &Limits,
        runtime: &tokio::runtime::Handle,
    ) -> Arc<Self> {
        let incarnation = Incarnation { base: address.base, replica, number: address.number };
        Self::new(Way::Socket(address.socket), incarnation, limits, runtime, None, !address.after_another)
    }

    /// The process that had this one's place at the store has ended.
    pub(crate) fn take_place(&self) {
        self.link.take_place();
    }

    /// Names a run: new for each.
    pub(crate) fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.link.epoch()
    }

    /// Asks the store; none where it could not. `Err`: it did not answer in time.
    pub(crate) async fn ask(&self, command: Command) -> Result<Said, ()> {
        let patience = match (command.ends_a_claim(), self.link.is_late()) {
            (true, _) => self.finish_wait,
            // Workers that wait for what does not come are missing elsewhere.
            (false, true) => self.wait / LATE_PART,
            (false, false) => self.wait,
        };
        let began_ns = monotonic_ns();
        let said = self.link.ask(command, patience).await;
        if said.is_ok() {
            self.counts.answered_after(Duration::from_nanos(monotonic_ns().saturating_sub(began_ns)));
        }
        said
    }

    /// How long a client is asked to wait, ms; spread, so that those who were refused together don't come back together.
    pub(crate) fn retry_after_ms(&self) -> u64 {
        let least = self.retry_after_min_ms.max(1);
        least + monotonic_ns() / 1_000 % least
    }

    /// Waits until no tool is at work for an operation and the store has heard of all that have ended, at most until `until_ns`:
    /// what they have done must be kept, and what did not start be given back.
    pub(crate) fn wait_for_the_last(&self, until_ns: u64) {
        let is_over = || self.counts.under_way.load(Ordering::Acquire) == 0 && !self.link.owes_an_end();
        while !is_over() && monotonic_ns() < until_ns {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets go of a store in this process. Not to be called in async code.
    pub(crate) fn close(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((orders, writer)) = writer
            && orders.blocking_send(self.link.nobody_lives()).is_ok()
            && orders.blocking_send(Order::Stop).is_ok()
        {
            // One that panicked has let go too.
            let _ = writer.join();
        }
    }

    pub(crate) fn figures(&self) -> OperationFigures {
        self.counts.figures(self.link.backlog(), self.epoch())
    }
}
