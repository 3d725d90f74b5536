//! More replicas and fewer, and as many again as there were, whatever becomes of the run.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::{Service, Unit};
use crate::driver::counting::Counting;
use crate::driver::locked;
use crate::driver::watchdog::{Debt, Watchdog};

/// Images may have to be fetched, and what goes may take its time.
const CHANGED_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Something that has a number of units, which can be changed.
pub(in crate::driver) trait Counted {
    /// How many it is told to have.
    fn number(&self) -> impl Future<Output = Result<u16, String>> + Send;

    fn set_number(&self, number: u16) -> impl Future<Output = Result<(), String>> + Send;

    /// How it gets this number when nobody else sees to it.
    fn debt(&self, number: u16) -> Debt;

    fn present(&self) -> impl Future<Output = Result<Present, String>> + Send;
}

/// What there is of it.
#[derive(Debug)]
pub(in crate::driver) struct Present {
    /// Where clients are led to.
    pub(in crate::driver) addresses: BTreeSet<SocketAddr>,
    /// Those that are on their way, or are going.
    pub(in crate::driver) unsettled: usize,
    /// All that the driver knows.
    pub(in crate::driver) units: Vec<Unit>,
}

/// Changes it, and remembers how it was.
#[derive(Debug, Clone)]
pub(in crate::driver) struct Numbers(Counting);

impl Numbers {
    pub(in crate::driver) fn new(watchdog: Watchdog) -> Self {
        Self(Counting::new(watchdog))
    }

    /// Returns when as many replicas as that are there and no others; says where each is.
    ///
    /// # Errors
    /// Where that is not so in time, or may not be, as a sentence.
    pub(in crate::driver) async fn change(
        &self,
        counted: &impl Counted,
        service: &Service,
        number: u16,
    ) -> Result<Vec<(u16, SocketAddr)>, String> {
        let change = async {
            locked(&service.standing).is_changing = true;
            let changed = timeout(CHANGED_WITHIN, changed(counted, number)).await;
            let late = || format!("there were not {number} replicas within {} s", CHANGED_WITHIN.as_secs());
            let changed = changed.unwrap_or_else(|_| Err(late()));
            let endpoints = changed.map(|present| service.renumber(&present));
            locked(&service.standing).is_changing = false;
            endpoints
        };
        self.0.change(number, (counted.number(), |now| counted.debt(now)), change).await
    }
}

async fn changed(counted: &impl Counted, number: u16) -> Result<Present, String> {
    counted.set_number(number).await?;
    loop {
        match counted.present().await {
            Ok(present) if present.addresses.len() == usize::from(number) && present.unsettled == 0 => {
                return Ok(present);
            }
            Ok(_) => {}
            // It may know a moment later.
            Err(why) => tracing::warn!("{why}"),
        }
        sleep(LOOK_EVERY).await;
    }
}

impl Service {
    /// Those that are still there keep their numbers; new ones get the lowest that are free.
    pub(super) fn renumber(&self, present: &Present) -> Vec<(u16, SocketAddr)> {
        let mut standing = locked(&self.standing);
        let is_there = |id: &str| present.units.iter().any(|unit| unit.id == id);
        standing.units.retain(|_, unit| present.addresses.contains(&unit.address) && is_there(&unit.id));
        standing.elsewhere.retain(|_, address| present.addresses.contains(address));
        let known: BTreeSet<SocketAddr> = standing.endpoints().into_iter().map(|(_, address)| address).collect();
        for address in present.addresses.difference(&known) {
            let is_free =
                |replica: &u16| !standing.units.contains_key(replica) && !standing.elsewhere.contains_key(replica);
            let Some(replica) = (1..=u16::MAX).find(is_free) else { break };
            match present.units.iter().find(|unit| unit.addresses.contains(address)) {
                Some(unit) => drop(standing.units.insert(replica, unit.clone().at(*address))),
                None => drop(standing.elsewhere.insert(replica, *address)),
            }
        }
        standing.endpoints()
    }
}
