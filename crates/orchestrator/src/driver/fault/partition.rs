use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use tokio::time::{sleep, timeout};

use super::HealError;
use super::nft::{Nft, Table};
use super::pause::Pause;
use super::probe::{Seen, connect};
use super::process::Process;
use crate::driver::control;
use crate::event::{Healed, Injected};

/// A connect on loopback takes microseconds: so long without an answer, its packets are lost.
const PROBE: Duration = Duration::from_millis(100);
const SEEN_WITHIN: Duration = Duration::from_secs(3);
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long a process is stopped where the cluster does not say when it takes it for dead: an erlmcp cluster finds out
/// within 1.25 s that it does not answer, and kills it after 2 s.
const PAUSE: Duration = Duration::from_millis(1_600);
/// Kept between the end of a pause and the time at which the cluster would kill the process.
const PAUSE_MARGIN: Duration = Duration::from_millis(400);
/// The watchdog's patience beyond the pause: it is for the case that nobody else ends it.
const WATCHDOG_MARGIN: Duration = Duration::from_millis(200);

/// A replica that is cut off.
#[derive(Debug)]
pub(super) enum Partition {
    /// Packets from and to its own address and port are dropped.
    Dropped { table: Table, address: SocketAddr },
    /// Its process stands still.
    Paused(Pause),
}

/// Cuts a replica off; returns when that was seen.
pub(super) async fn cut_off(
    control: &Path,
    replica: u16,
    nft: &Result<Nft, String>,
    clock: &RunClock,
) -> Result<(Partition, Injected), String> {
    match nft {
        Ok(nft) => drop_packets(control, replica, nft, clock).await,
        Err(why) => pause(control, replica, why, clock).await,
    }
}

async fn drop_packets(
    control: &Path,
    replica: u16,
    nft: &Nft,
    clock: &RunClock,
) -> Result<(Partition, Injected), String> {
    let status = control::status(control).await.map_err(|error| error.to_string())?;
    let found = status.replica(replica).ok_or_else(|| format!("the cluster has no replica {replica}"))?;
    let address = found.address;
    let SocketAddr::V4(own) = address else { return Err(format!("{address} is not of IPv4")) };
    if address.ip() == status.shared.ip() {
        return Err(format!("replica {replica} has no address of its own"));
    }
    let injected_us = clock.now_us();
    let table = nft.drop_packets_of(own).await?;
    match seen_silent(&table, address, clock).await {
        Some(effect_us) => {
            let method = format!("packets from and to {own} dropped (nftables)");
            let injected = Injected { method, injected_us, effect_us, at_most_us: None };
            Ok((Partition::Dropped { table, address }, injected))
        }
        None => {
            table.close().await?;
            Err(format!("packets of {own} were not seen to be dropped"))
        }
    }
}

/// When the first of the connects began that got no answer, while the kernel counted dropped packets.
async fn seen_silent(table: &Table, address: SocketAddr, clock: &RunClock) -> Option<u64> {
    let seen = async {
        loop {
            let began_us = clock.now_us();
            if connect(address, PROBE).await == Seen::Silent && table.dropped().await.is_some_and(|packets| packets > 0)
            {
                return began_us;
            }
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(SEEN_WITHIN, seen).await.ok()
}

async fn pause(
    control: &Path,
    replica: u16,
    why_not_dropped: &str,
    clock: &RunClock,
) -> Result<(Partition, Injected), String> {
    let status = control::status(control).await.map_err(|error| error.to_string())?;
    let at_most = pause_for(status.fence_after_ms);
    let process = Process::of_replica(control, replica).await?;
    let injected_us = clock.now_us();
    let pause = Pause::begin(process, at_most + WATCHDOG_MARGIN).await?;
    let effect_us = clock.now_us();
    let seconds = at_most.as_secs_f64();
    let method = format!("process stopped (SIGSTOP) for {seconds:.1} s: nftables is not available ({why_not_dropped})");
    let at_most_us = Some(at_most.as_micros() as u64);
    Ok((Partition::Paused(pause), Injected { method, injected_us, effect_us, at_most_us }))
}

/// Less than the time after which the cluster would kill the process.
fn pause_for(fence_after_ms: Option<u64>) -> Duration {
    let Some(fence_after) = fence_after_ms.map(Duration::from_millis) else { return PAUSE };
    fence_after.saturating_sub(PAUSE_MARGIN).max(fence_after / 2)
}

impl Partition {
    /// Undoes it and sees that the replica's address answers again.
    pub(super) async fn heal(self, clock: &RunClock) -> Result<Healed, HealError> {
        match self {
            Partition::Dropped { table, address } => {
                table.close().await.map_err(HealError::Stuck)?;
                let healed_us = clock.now_us();
                answers(address).await.map_err(HealError::Otherwise)?;
                Ok(Healed { healed_us, verified_us: clock.now_us() })
            }
            Partition::Paused(pause) => {
                let healed_us = clock.now_us();
                pause.end().await?;
                Ok(Healed { healed_us, verified_us: clock.now_us() })
            }
        }
    }

    /// Undoes it, whatever becomes of the replica.
    pub(super) async fn undo(self) -> Result<(), HealError> {
        match self {
            Partition::Dropped { table, .. } => table.close().await.map_err(HealError::Stuck),
            Partition::Paused(pause) => pause.end().await,
        }
    }
}

async fn answers(address: SocketAddr) -> Result<(), String> {
    let answers = async {
        while connect(address, PROBE).await != Seen::Answers {
            sleep(LOOK_EVERY).await;
        }
    };
    let seen = timeout(ANSWERS_WITHIN, answers).await;
    seen.map_err(|_| format!("{address} still did not answer {} s later", ANSWERS_WITHIN.as_secs()))
}

#[cfg(test)]
mod tests;
