//! A process that may have no more descriptors than it has.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::force::{After, Force};
use super::limit::{Limit, Limited};
use super::local::{LOOK_EVERY, LocalFaults, SEEN_WITHIN};
use super::process::{Known, Process};
use crate::driver::watchdog::Debt;
use crate::event::Injected;

/// A page of a replica that can accept comes in milliseconds.
const PAGE_WITHIN: Duration = Duration::from_millis(500);
/// Connections that are opened until none is served any more.
const PROBES_MAX: u64 = 50;

/// Leaves the replicas' processes only `more` descriptors beyond those that are open; returns when a new connection was
/// seen not to be served.
pub(super) async fn take(local: &LocalFaults, replicas: &[u16], more: u64) -> Result<(Force, Injected), String> {
    let addresses = local.addresses(replicas).await?;
    let mut limits = Vec::new();
    for process in local.processes(replicas).await? {
        let limit = Limit::now(Limited::Descriptors, process.pid);
        let limit = limit.ok_or_else(|| format!("process {} has just ended", process.pid))?;
        limits.push((process, limit));
    }
    let debt =
        |(process, limit): &(Process, Limit)| Some(Debt::Limit { process: Known::of(process.pid)?, limit: *limit });
    let ticket = local.hold(limits.iter().filter_map(debt).collect()).await?;
    let injected_us = local.clock.now_us();
    for (process, limit) in &limits {
        if let Err(why) = lower(process, limit, more) {
            return local.give_up(ticket, why).await;
        }
    }
    let mut effect_us = injected_us;
    for address in &addresses {
        match unserved(local, *address).await {
            Some(at_us) => effect_us = effect_us.max(at_us),
            None => return local.give_up(ticket, format!("new connections at {address} were still served")).await,
        }
    }
    let method = format!("descriptors limited (prlimit) to {more} more than were open");
    let force = Force::Held { ticket, after: After::Limits(limits), addresses };
    Ok((force, Injected::seen(method, injected_us, effect_us)))
}

fn lower(process: &Process, limit: &Limit, more: u64) -> Result<(), String> {
    let failed = |error| format!("the descriptors of process {} are not limited: {error}", process.pid);
    let open = fs::read_dir(format!("/proc/{}/fd", process.pid)).map_err(failed)?;
    let open = open.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    limit.lowered(lowest(&open, more)).set(process)
}

/// A limit that leaves so many free numbers below it: the kernel gives out the lowest first.
fn lowest(open: &BTreeSet<u64>, more: u64) -> u64 {
    let mut free = (0..).filter(|number| !open.contains(number));
    free.nth(more as usize).unwrap_or(u64::MAX)
}

/// When a connection was opened that got no answer. Those that get one free their descriptor again, so it takes one at most
/// that is not served; others may use what is left meanwhile.
async fn unserved(local: &LocalFaults, address: SocketAddr) -> Option<u64> {
    let page = local.way.page(address, "/health");
    let seen = async {
        for _ in 0..PROBES_MAX {
            let began_us = local.clock.now_us();
            if page.get(PAGE_WITHIN).await.is_err() {
                return Some(began_us);
            }
            sleep(LOOK_EVERY).await;
        }
        None
    };
    timeout(SEEN_WITHIN, seen).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_between_open_descriptors_are_no_room() {
        let open = [0, 1, 2, 5, 6].into();
        assert_eq!((lowest(&open, 0), lowest(&open, 1), lowest(&open, 2), lowest(&open, 3)), (3, 4, 7, 8));
    }
}
