//! Packets from and to replicas, dropped, lost at random, or answered with a reset.

use std::net::{SocketAddr, SocketAddrV4};

use tokio::time::{sleep, timeout};

use super::force::Force;
use super::local::{LOOK_EVERY, LocalFaults, PROBE, SEEN_WITHIN};
use super::nft::{Fate, Filter, Table};
use super::pause;
use super::probe::{Seen, connect};
use super::process::Known;
use crate::driver::watchdog::Debt;
use crate::event::Injected;
use crate::fault::{Fault, Kind};

pub(super) async fn inject(local: &LocalFaults, fault: &Fault) -> Result<(Force, Injected), String> {
    let nft = match (&local.nft, fault.kind) {
        (Ok(nft), _) => nft,
        // Nobody hears from a process that stands still, either.
        (Err(why), Kind::Partition) => return pause::pause(local, &fault.replicas, Some(why)).await,
        (Err(why), _) => return Err(format!("nftables is not available ({why})")),
    };
    let addresses = local.addresses(&fault.replicas).await?;
    let filter = filter(fault, &addresses)?;
    let injected_us = local.clock.now_us();
    let mut table = nft.open().await?;
    // The kernel removes the table with its owner; the watchdog ends the owner where the run only stands still.
    let owner = table.owner().and_then(Known::of).ok_or("nft ended at once")?;
    let ticket = local.hold(vec![Debt::End { process: owner }]).await?;
    if let Err(why) = table.apply(&filter).await {
        return local.give_up(ticket, why).await;
    }
    match seen(local, &table, fault.kind, &addresses).await {
        Some(effect_us) => {
            let injected = Injected::seen(method(fault, &addresses), injected_us, effect_us);
            Ok((Force::Filtered { table, ticket, addresses }, injected))
        }
        None => {
            let of = addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(", ");
            let unseen = format!("packets of {of} were not seen to be dropped");
            let closed = table.close().await;
            local.give_up(ticket, closed.err().map_or(unseen.clone(), |stuck| format!("{unseen}; {stuck}"))).await
        }
    }
}

fn filter(fault: &Fault, addresses: &[SocketAddr]) -> Result<Filter, String> {
    let own = |address: &SocketAddr| match address {
        SocketAddr::V4(own) => Ok(*own),
        SocketAddr::V6(_) => Err(format!("{address} is not of IPv4")),
    };
    Ok(Filter {
        addresses: addresses.iter().map(own).collect::<Result<Vec<SocketAddrV4>, String>>()?,
        arriving: fault.kind != Kind::PartitionOut,
        leaving: fault.kind != Kind::PartitionIn,
        fate: match fault.kind {
            Kind::Reset => Fate::Reset,
            Kind::Loss => Fate::Lost { percent: fault.amount },
            _ => Fate::Dropped,
        },
    })
}

fn method(fault: &Fault, addresses: &[SocketAddr]) -> String {
    let at = match addresses {
        [one] => one.to_string(),
        more => format!("{} addresses", more.len()),
    };
    match fault.kind {
        Kind::PartitionIn => format!("packets to {at} dropped (nftables)"),
        Kind::PartitionOut => format!("packets from {at} dropped (nftables)"),
        Kind::Reset => format!("packets from and to {at} answered with a reset (nftables)"),
        Kind::Loss => format!("{} % of the packets from and to {at} dropped (nftables)", fault.amount),
        _ => format!("packets from and to {at} dropped (nftables)"),
    }
}

/// When the effect was there at all addresses: the beginning of the last of the connects that showed it.
async fn seen(local: &LocalFaults, table: &Table, kind: Kind, addresses: &[SocketAddr]) -> Option<u64> {
    let mut last_us = 0;
    for address in addresses {
        let seen = async {
            loop {
                let began_us = local.clock.now_us();
                let found = connect(*address, PROBE).await;
                let shows = match kind {
                    Kind::Loss => true,
                    Kind::Reset => found == Seen::Refused,
                    _ => found == Seen::Silent,
                };
                if shows && table.caught().await.is_some_and(|packets| packets > 0) {
                    return began_us;
                }
                sleep(LOOK_EVERY).await;
            }
        };
        last_us = last_us.max(timeout(SEEN_WITHIN, seen).await.ok()?);
    }
    Some(last_us)
}

#[cfg(test)]
mod tests;
