//! Faults: done for real, seen to work, undone, and that seen as well.

mod command;
#[cfg(test)]
mod contract;
mod descriptors;
mod desk;
mod ending;
mod force;
mod group;
mod kill;
pub(crate) mod limit;
mod local;
pub(crate) mod nft;
mod packets;
mod pause;
mod probe;
pub(crate) mod process;
mod proxied;
mod store;

use std::fmt::Debug;

pub(super) use command::Commands;
#[cfg(test)]
pub(super) use contract::local as local_of_tests;
pub(super) use desk::{Desk, Order, UNDONE_MAX};
pub(super) use group::Groups;
pub(super) use local::LocalFaults;
pub(super) use proxied::{Front, FrontProxy, cost as proxy_cost};

use super::watchdog::Watchdog;
pub(super) use crate::event::HealError;
use crate::event::{Healed, Injected};
use crate::fault::Fault;

/// Something that can break a target, and mend it. The contract that every driver keeps is in `contract.rs`.
pub(super) trait FaultDriver: Debug + Send + Sync + 'static {
    /// What it needs to undo one fault.
    type InForce: Debug + Send + Sync + 'static;

    /// Injects a fault; returns when its effect was seen, and nothing is in force where it was not. A fault that only happens
    /// cannot be taken back: processes that were told to end may have ended, though nobody saw it.
    fn inject(&self, fault: &Fault) -> impl Future<Output = Result<(Self::InForce, Injected), String>> + Send;

    /// False where it only happened: there is nothing to undo.
    fn lasts(in_force: &Self::InForce) -> bool;

    /// Undoes it and sees that it is undone.
    fn heal(&self, in_force: Self::InForce) -> impl Future<Output = Result<Healed, HealError>> + Send;

    /// What knows what must be undone.
    fn watchdog(&self) -> &Watchdog;

    /// Undoes whatever is still in force; what could not be undone.
    fn end(&self) -> impl Future<Output = Vec<String>> + Send;
}
