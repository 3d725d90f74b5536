//! What retry storms came to: attempts of the clients over first attempts, while the storm lasts.

use erlmcp_record::FaultRow;
use erlmcp_record::names::detail;

use super::estimate::Estimate;
use super::evidence::Evidence;
use super::judge::Judge;
use crate::facts::FaultFacts;

pub(crate) const AMPLIFICATION: &str = "faults.retry_amplification_ratio";
/// Of fewer a single retry is more than a hundredth.
const FIRST_ATTEMPTS_MIN: u64 = 100;

/// Attempts and first attempts of a retry storm; None: the fault was none.
pub(crate) fn attempts(fault: &FaultRow) -> Option<(u64, u64)> {
    let firsts = *fault.detail.get(detail::FIRST_ATTEMPTS)? as u64;
    let retries = *fault.detail.get(detail::RETRIES)? as u64;
    (firsts > 0).then_some((firsts + retries, firsts))
}

/// The worst of them; nothing where the list had none.
pub(super) fn enter(judge: &mut Judge<'_>, faults: &[FaultFacts<'_>], cut: Option<String>) {
    let storms = || faults.iter().map(|fault| fault.fault).filter(|fault| fault.kind == "retry_storm");
    let Some(first) = storms().next() else { return };
    if let Some(reason) = first.skipped.clone().filter(|_| storms().all(|fault| fault.skipped.is_some())) {
        return judge.enter_skipped(AMPLIFICATION, &reason);
    }
    let all = storms().filter_map(attempts);
    // a / b > c / d, without a division.
    let worse = |one: (u64, u64), other: (u64, u64)| {
        let is_worse = u128::from(other.0) * u128::from(one.1) > u128::from(one.0) * u128::from(other.1);
        if is_worse { other } else { one }
    };
    let evidence = match all.reduce(worse) {
        None => Evidence::none("no retry storm had an effect that was seen"),
        Some((attempts, firsts)) => {
            let estimate = Estimate::Ratio { part: u128::from(attempts), whole: u128::from(firsts) };
            let source = "the worst storm: attempts of the run's own clients over first attempts of the load, from the outage until none waited";
            let few = (firsts < FIRST_ATTEMPTS_MIN).then(|| format!("it takes {FIRST_ATTEMPTS_MIN} first attempts"));
            Evidence::of(Some(estimate), firsts, "first attempts", source).spoiled(few)
        }
    };
    judge.enter(AMPLIFICATION, evidence.excused(cut));
}
