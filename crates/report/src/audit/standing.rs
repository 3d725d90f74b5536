//! From counts to standings: what holds, what is violated, what is not known.

use super::evaluate::Evaluated;
use super::inputs::Inputs;
use super::model::{Audit, AuditVerdict, Found, Invariant, Standing, Witness};
use super::rules::{Rule, Violation};
use super::scan::Scanned;
use super::surroundings::Surroundings;
use crate::format::{count, plural};
use crate::{Analysis, format};

const NAMES: [&str; 7] =
    ["total", "no invention", "no loss", "no duplicates", "fail means no", "info resolved", "conservation"];

/// Everything that a standing rests on.
struct Evidence<'a> {
    inputs: &'a Inputs,
    scanned: &'a Scanned,
    evaluated: &'a Evaluated,
    surroundings: Surroundings,
}

pub(super) fn judge(
    analysis: &Analysis,
    inputs: &Inputs,
    scanned: &Scanned,
    evaluated: Evaluated,
    witnesses: Vec<Witness>,
) -> Audit {
    let surroundings = Surroundings::of(analysis);
    let nothing = (!inputs.has_agents()).then(|| "the run has no journal of operations: it sent none".to_owned());
    let evidence = Evidence { inputs, scanned, evaluated: &evaluated, surroundings };
    let invariants = if nothing.is_some() { Vec::new() } else { evidence.invariants() };
    Audit {
        run: analysis.header.as_ref().map_or_else(String::new, |header| header.run_id.clone()),
        verdict: if nothing.is_some() { AuditVerdict::Unknown } else { verdict(&invariants) },
        nothing,
        operations: evaluated.counts,
        journals: scanned.journals.iter().map(|read| read.facts.clone()).collect(),
        faults: inputs.faults.len() as u64,
        invariants,
        witnesses,
    }
}

fn verdict(invariants: &[Invariant]) -> AuditVerdict {
    let any = |of: fn(&Standing) -> bool| invariants.iter().any(|invariant| of(&invariant.standing));
    match () {
        () if any(|standing| *standing == Standing::Violated) => AuditVerdict::Invalid,
        () if any(|standing| matches!(standing, Standing::Unknown { .. })) => AuditVerdict::Unknown,
        () => AuditVerdict::Valid,
    }
}

/// Violated where anything was found, else unknown for the first reason that there is, else it holds.
fn standing(violations: u64, mut reasons: Vec<String>) -> Standing {
    match (violations, reasons.is_empty()) {
        (0, true) => Standing::Holds,
        (0, false) => Standing::Unknown { reason: reasons.swap_remove(0) },
        _ => Standing::Violated,
    }
}

impl Evidence<'_> {
    fn invariants(&self) -> Vec<Invariant> {
        let mut all = vec![self.journals()];
        all.extend(Rule::ALL[..6].iter().map(|rule| self.by_operation(*rule)));
        all.extend([self.conservation(), self.not_vacuous(), self.order(), self.streams()]);
        all
    }

    fn journals(&self) -> Invariant {
        let damaged = || self.scanned.journals.iter().filter_map(|read| read.facts.damage.as_ref());
        let violations = damaged().count() as u64;
        let mut reasons = Vec::new();
        if !self.inputs.missing_agents.is_empty() {
            reasons.push(format!("no journal of {}", agents(&self.inputs.missing_agents)));
        }
        reasons.extend(self.store_missing());
        let torn = self.scanned.journals.iter().filter(|read| read.facts.torn_bytes > 0);
        let torn = torn
            .map(|read| format!("torn end of {}: {} dropped", read.facts.name, plural(read.facts.torn_bytes, "byte")));
        Invariant {
            id: "J",
            name: "journals whole",
            standing: standing(violations, reasons),
            checked: self.scanned.journals.len() as u64,
            checked_of: "journals",
            violations,
            found: damaged().map(|what| Found { what: what.clone(), count: 1 }).collect(),
            notes: torn.collect(),
        }
    }

    fn store_missing(&self) -> Option<String> {
        if !self.inputs.has_store() {
            return Some("no journal of the store".into());
        }
        (!self.evaluated.known.store).then(|| "the journal of the store is not whole".into())
    }

    fn found(&self, rule: Rule) -> Vec<Found> {
        let of_rule = Violation::ALL.into_iter().filter(|violation| violation.rule() == rule);
        let counted = of_rule.map(|violation| (violation, self.evaluated.found[violation as usize]));
        let found = counted.filter(|(_, count)| *count > 0);
        found.map(|(violation, count)| Found { what: violation.words().into(), count }).collect()
    }

    /// The invariants that are checked operation by operation.
    fn by_operation(&self, rule: Rule) -> Invariant {
        let violations = self.evaluated.violated[rule as usize];
        let checked = self.evaluated.checked[rule as usize];
        let mut notes = Vec::new();
        let standing = match rule {
            Rule::FailMeansNo | Rule::InfoResolved if checked == 0 && violations == 0 => {
                let what =
                    if rule == Rule::FailMeansNo { "no operation failed" } else { "no operation's end was unknown" };
                Standing::NotApplicable { reason: what.into() }
            }
            _ => standing(violations, self.reasons(rule, checked, &mut notes)),
        };
        Invariant {
            id: rule.id(),
            name: NAMES[rule as usize],
            standing,
            checked,
            checked_of: "operations",
            violations,
            found: self.found(rule),
            notes,
        }
    }

    /// Why it is not known whether a rule holds.
    fn reasons(&self, rule: Rule, checked: u64, notes: &mut Vec<String>) -> Vec<String> {
        let mut reasons = Vec::new();
        if checked == 0 {
            reasons.push("no operation to check it on".into());
        }
        if rule == Rule::Total {
            if !self.inputs.missing_agents.is_empty() {
                reasons.push(format!("no journal of {}", agents(&self.inputs.missing_agents)));
            }
            let others = self.evaluated.counts.of_others;
            if others > 0 && self.inputs.missing_agents.is_empty() {
                let others = plural(others, "operation");
                reasons
                    .push(format!("{others} in the store of others, or of nobody: the cluster is not the run's own"));
            }
        }
        reasons.extend(self.store_missing());
        let cut = self.evaluated.cut;
        if cut > 0 && matches!(rule, Rule::InfoResolved | Rule::NoLoss | Rule::Total) {
            let of_them = "whose agent was stopped before it could ask how they ended";
            reasons.push(format!("{} {of_them}", plural(cut, "operation")));
        }
        let indeterminate = self.evaluated.counts.indeterminate;
        if rule == Rule::InfoResolved && indeterminate > 0 {
            notes.push(format!(
                "{} indeterminate: their effect is outside the store",
                plural(indeterminate, "operation")
            ));
        }
        reasons
    }

    fn conservation(&self) -> Invariant {
        let rule = Rule::Conservation;
        let counts = &self.evaluated.counts;
        let mut invariant = self.by_operation(rule);
        let mut differences: Vec<String> = self
            .scanned
            .journals
            .iter()
            .filter_map(|read| {
                let told = read.begun_told.filter(|_| read.facts.name != "store" && read.facts.damage.is_none())?;
                let (name, begun) = (&read.facts.name, read.begun);
                (told != begun)
                    .then(|| format!("{name} has begun {told} operations by its last record, and {begun} by all"))
            })
            .collect();
        if counts.fates() != counts.attempted {
            differences.push(format!("{} operations attempted, and {} fates", counts.attempted, counts.fates()));
        }
        differences.extend(self.surroundings.connections.clone());
        let shed = self.shed();
        let clients = self.evaluated.known.clients;
        differences.extend(shed.clone().filter(|_| clients));
        invariant.violations += differences.len() as u64;
        invariant.found.extend(differences.into_iter().map(|what| Found { what, count: 1 }));
        invariant.standing = match std::mem::replace(&mut invariant.standing, Standing::Holds) {
            _ if invariant.violations > 0 => Standing::Violated,
            Standing::Holds => {
                let why =
                    |shed| format!("{shed}: others may have been refused, or journals that are not whole have it");
                standing(0, shed.map(why).into_iter().collect())
            }
            standing => standing,
        };
        if self.surroundings.refused_by_server.is_none() {
            invariant.notes.push("the server told no count of its refusals: that part is left out".into());
        }
        invariant
    }

    /// The server refused more than its clients were told of or may have missed. Nothing is wrong with it where others are its
    /// clients too, or where not all is known of its own.
    fn shed(&self) -> Option<String> {
        let by_server = self.surroundings.refused_by_server?;
        let attempts = &self.scanned.attempts;
        let seen = self.surroundings.refusals_seen + attempts.refused;
        let unseen = self.surroundings.answers_unseen + attempts.unknown;
        (by_server > seen + unseen).then(|| {
            let (by_server, seen, unseen) = (count(by_server), count(seen), count(unseen));
            format!(
                "{by_server} requests refused by the server, {seen} refusals seen by clients, {unseen} answers not seen"
            )
        })
    }

    fn not_vacuous(&self) -> Invariant {
        let around = self.scanned.exposure.around();
        let classes: Vec<_> = self.scanned.exposure.classes().collect();
        let mut reasons = Vec::new();
        if around.is_empty() {
            reasons.push("no fault was observed: nothing was put to the test".into());
        }
        let brief = self.inputs.faults.iter().filter(|fault| fault.is_brief()).count();
        if brief > 0 && brief == around.len() {
            reasons.push("every fault was over within 100 ms: nothing was put to the test".into());
        }
        let (mut weak, least) = (0, self.scanned.exposure.in_flight_min());
        for (fault, around) in self.inputs.faults.iter().zip(&around).filter(|(fault, _)| !fault.is_brief()) {
            let before = reasons.len();
            let id = fault.id;
            match around.in_flight {
                0 => reasons.push(format!("no operation was in flight when fault {id} began ({})", fault.what)),
                few if few < least => {
                    let few = plural(few, "operation");
                    reasons.push(format!("{few} in flight when fault {id} began ({}), fewer than {least}", fault.what));
                }
                _ => {}
            }
            if around.after.is_none() {
                reasons.push(format!("the end of fault {id} was not seen ({})", fault.what));
            }
            for class in &classes {
                let at = *class as usize;
                let after = around.after.is_none_or(|after| after[at] > 0);
                let during = !fault.leaves_enough || around.during[at] > 0;
                let times = [(around.before[at] > 0, "before"), (during, "during"), (after, "after")];
                for (_, when) in times.into_iter().filter(|(is, _)| !is) {
                    reasons.push(format!("no {} operation was ok {when} fault {id} ({})", class.name(), fault.what));
                }
            }
            weak += u64::from(reasons.len() > before);
        }
        let mut notes = Vec::new();
        if weak > 1 {
            notes.push(format!("{} show too little", plural(weak, "fault")));
        }
        if brief > 0 {
            notes.push(format!("{} over within 100 ms: not asked for", plural(brief as u64, "fault")));
        }
        Invariant {
            id: "I8",
            name: "not vacuous",
            standing: standing(0, reasons),
            checked: (around.len() - brief) as u64,
            checked_of: "faults",
            violations: 0,
            found: Vec::new(),
            notes,
        }
    }

    fn streams(&self) -> Invariant {
        let around = &self.surroundings;
        let (checked, missed) = (around.stream_events, around.stream_events_missed);
        let (certain, doubt) = match (around.stream_events_surplus, &around.changes_unknown) {
            (0, _) => (0, None),
            (surplus, None) => (surplus, None),
            (surplus, Some(why)) => (0, Some(format!("{} beyond the changes: {why}", plural(surplus, "event")))),
        };
        let standing = match (checked, around.wants_streams) {
            (0, false) => Standing::NotApplicable { reason: "the run held no streams".into() },
            (0, true) if around.changes > 0 => {
                Standing::Unknown { reason: "no stream was held over the changes that were made".into() }
            }
            (0, true) => Standing::Unknown { reason: "no change was made for streams to tell of".into() },
            _ => standing(missed + certain, doubt.into_iter().chain(around.stream_events_uncounted.clone()).collect()),
        };
        Invariant {
            id: "I10",
            name: "streams",
            standing,
            checked,
            checked_of: "events",
            violations: missed + certain,
            found: found([
                ("a stream was held and did not tell of a change", missed),
                ("a stream told of more changes than were made", certain),
            ]),
            notes: Vec::new(),
        }
    }

    fn order(&self) -> Invariant {
        let strange = self.surroundings.strange_answers + self.scanned.attempts.strange;
        let strayed = self.surroundings.stream_events_strayed;
        let requests = self.surroundings.requests + self.evaluated.counts.attempts;
        let none = (requests == 0).then(|| "no request in the record".to_string());
        let reasons = none.into_iter().chain(self.surroundings.stream_events_uncounted.clone()).collect();
        Invariant {
            id: "I9",
            name: "order",
            standing: standing(strange + strayed, reasons),
            checked: requests,
            checked_of: "requests",
            violations: strange + strayed,
            found: found([
                ("answers that were not to the request that waited", strange),
                ("events that said they were of another stream", strayed),
            ]),
            notes: vec!["notifications of a change carry no number: their order is not checked".into()],
        }
    }
}

/// What was found at all.
fn found<const N: usize>(all: [(&str, u64); N]) -> Vec<Found> {
    let found = all.into_iter().filter(|(_, count)| *count > 0);
    found.map(|(what, count)| Found { what: what.into(), count }).collect()
}

/// "agent 3", "agents 3, 4 and 2 more".
fn agents(missing: &[u32]) -> String {
    const NAMED_MAX: usize = 3;
    let named: Vec<String> = missing.iter().take(NAMED_MAX).map(u32::to_string).collect();
    let more = missing.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {} more", format::count(more as u64)) } else { String::new() };
    format!("agent{} {}{more}", if missing.len() == 1 { "" } else { "s" }, named.join(", "))
}
