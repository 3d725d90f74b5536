//! Replicas that their cluster gave up, and whether it had a reason to.

use erlmcp_record::FaultRow;

use crate::analysis::Analysis;

/// From this version on the record tells when a replica went out of membership.
const TOLD_SINCE_VERSION: u32 = 3;
/// What a fault has done to a replica is seen so long after its end at the latest.
const AFTERMATH_US: u64 = 2_000_000;

/// How often a replica was put out of membership between two times while no fault was on it; Err: why that is not known.
pub(crate) fn lost_without_fault(analysis: &Analysis, from_us: u64, until_us: u64) -> Result<u64, &'static str> {
    let version = analysis.header.as_ref().map_or(0, |header| header.record_version);
    let is_told = analysis.config.as_ref().is_some_and(|config| config.own_cluster || config.attached);
    if !is_told || version < TOLD_SINCE_VERSION {
        return Err(if is_told { "the record is too old to tell" } else { "the target tells nothing of its replicas" });
    }
    let all = analysis.lost_replicas.range((from_us, 0)..(until_us, 0)).map(|(lost, ())| *lost);
    let is_explained = |(at_us, replica): (u64, u16)| analysis.faults.values().any(|row| explains(row, replica, at_us));
    Ok(all.filter(|lost| !is_explained(*lost)).count() as u64)
}

fn explains(fault: &FaultRow, replica: u16, at_us: u64) -> bool {
    // What is done to nobody in particular may be done to anybody, but not where clients or the store are meant.
    let is_of_any = fault.targets().is_empty() && !fault.expected.clients && !fault.is_of_store();
    let ended_us = fault.ready_us.max(fault.heal_verified_us);
    let until_us = ended_us.map_or(u64::MAX, |us| us.saturating_add(AFTERMATH_US));
    fault.skipped.is_none() && (is_of_any || fault.hits(replica)) && (fault.injected_us..=until_us).contains(&at_us)
}
