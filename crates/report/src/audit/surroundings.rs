//! What the run's own record says: refusals on both sides, connections, answers that were not asked for.

use std::collections::BTreeMap;

use erlmcp_record::names::cause;
use erlmcp_record::{Ended, Fate};

use crate::{Analysis, format};

/// Figures of the record that an invariant is checked against.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// All requests of the plain load.
    pub(super) requests: u64,
    /// Answers with another id, and answers that nothing had asked for.
    pub(super) strange_answers: u64,
    /// Refusals that the server has counted; None where it told none.
    pub(super) refused_by_server: Option<u64>,
    /// Refusals that clients have seen.
    pub(super) refusals_seen: u64,
    /// Requests whose answer never came, which may have been a refusal.
    pub(super) answers_unseen: u64,
    /// Why opened connections are not closed, lost or open ones; None where they are, or where that is not known.
    pub(super) connections: Option<String>,
    /// Each stream times each change that was made: those that were held and did not tell of it.
    pub(super) stream_events: u64,
    pub(super) stream_events_missed: u64,
    /// Told by streams beyond the changes that were made, and as another stream's.
    pub(super) stream_events_surplus: u64,
    pub(super) stream_events_strayed: u64,
    /// Why neither is known; None where both are.
    pub(super) stream_events_uncounted: Option<String>,
    /// Changes that were made.
    pub(super) changes: u64,
    /// Why the run does not know every change that the target has made; None where it does.
    pub(super) changes_unknown: Option<String>,
    /// Streams were to be held.
    pub(super) wants_streams: bool,
}

const UNCOUNTED: &str =
    "the record is of an earlier build, which did not count events of streams that are surplus or stray";

impl Surroundings {
    pub(super) fn of(analysis: &Analysis) -> Self {
        let all = analysis.part(false, |_| true);
        let fan_out = analysis.streams.fan_out();
        let unseen = [Fate::Reset, Fate::TimedOut, Fate::Unknown, Fate::Cancelled];
        Self {
            requests: all.planned,
            strange_answers: all.causes.get(cause::ANOTHER_ID).copied().unwrap_or(0) + all.surplus_answers,
            refused_by_server: refused(analysis),
            refusals_seen: all.fates.get(Fate::Refused) + all.refusals,
            answers_unseen: all.of(&unseen),
            connections: connections(analysis),
            stream_events: fan_out.expected,
            stream_events_missed: fan_out.missed,
            stream_events_surplus: analysis.streams.surplus,
            stream_events_strayed: analysis.streams.strayed,
            stream_events_uncounted: analysis.streams.are_uncounted.then(|| UNCOUNTED.into()),
            changes: analysis.streams.changes.values().filter(|change| change.failed.is_none()).count() as u64,
            changes_unknown: changes_unknown(analysis),
            wants_streams: analysis.config.as_ref().is_some_and(|config| config.streams > 0),
        }
    }
}

/// Refusals between the first sample and the last: a replica that was started again counts from zero.
fn refused(analysis: &Analysis) -> Option<u64> {
    let mut last: BTreeMap<u16, u64> = BTreeMap::new();
    let (mut sum, mut samples) = (0, 0_u64);
    for sample in analysis.seconds.values().filter_map(|second| second.cluster.as_deref()) {
        let told = sample.replicas.iter().filter_map(|replica| Some((replica.replica, replica.refused_total?)));
        for (replica, total) in told {
            samples += 1;
            if let Some(before) = last.insert(replica, total) {
                sum += if total >= before { total - before } else { total };
            }
        }
    }
    (samples > 0).then_some(sum)
}

/// Others may change what is not the run's own, and a change that failed may have been made.
fn changes_unknown(analysis: &Analysis) -> Option<String> {
    let is_own = analysis.config.as_ref().is_some_and(|config| config.own_cluster);
    let failed = analysis.streams.changes.values().filter(|change| change.failed.is_some()).count() as u64;
    match () {
        () if !is_own => Some("others may have changed the target, which is not the run's own".into()),
        () if failed > 0 => Some(format!("{} failed, and may have been made", format::plural(failed, "change"))),
        // One that still goes on is audited at its own end.
        () if analysis.end.as_ref().is_some_and(|end| end.ended != Ended::Completed) => {
            Some("the run was cut, perhaps between a change and its row".into())
        }
        () => None,
    }
}

/// Every connection that was opened was closed, lost, or is open at the end.
fn connections(analysis: &Analysis) -> Option<String> {
    if !analysis.lost_agents.is_empty() || analysis.end.is_none() {
        return None;
    }
    let sum = |of: fn(&crate::analysis::PhaseConnections) -> u64| analysis.connections.values().map(of).sum::<u64>();
    let opened = sum(|phase| phase.opened);
    let (closed, lost) = (sum(|phase| phase.closed), sum(|phase| phase.lost.values().sum()));
    let open = analysis.open_now();
    (opened != closed + lost + open).then(|| {
        let number = format::count;
        let (opened, closed) = (number(opened), number(closed));
        format!(
            "{opened} connections opened, and {closed} closed, {} lost, {} open at the end",
            number(lost),
            number(open)
        )
    })
}
