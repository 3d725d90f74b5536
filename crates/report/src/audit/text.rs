use super::model::{Audit, AuditVerdict, Invariant, OperationCounts, Standing, Witness};
use crate::format::{count, plural};

/// Notes and ways of one invariant that are shown, at most.
const SHOWN_MAX: usize = 8;

/// The audit as people read it.
pub fn text(audit: &Audit) -> String {
    let mut text = format!("Audit of {}\n\n", audit.run);
    if let Some(nothing) = &audit.nothing {
        return text + &format!("  {nothing}\n\nAUDIT: {}\n", verdict(audit.verdict));
    }
    text += &operations(&audit.operations);
    text += &journals(audit);
    text += &format!("  Faults      {} observed\n\n", count(audit.faults));
    text += &format!("  {:<4} {:<15} {:<15} {:>22} {:>11}\n", "", "Invariant", "", "Checked", "Violations");
    audit.invariants.iter().for_each(|invariant| text += &line(invariant));
    audit.witnesses.iter().for_each(|one| text += &witness(one));
    text + &format!("\nAUDIT: {}\n", verdict(audit.verdict))
}

fn verdict(verdict: AuditVerdict) -> &'static str {
    match verdict {
        AuditVerdict::Valid => "VALID",
        AuditVerdict::Invalid => "INVALID",
        AuditVerdict::Unknown => "UNKNOWN",
    }
}

fn operations(counts: &OperationCounts) -> String {
    let fates = [
        ("ok", counts.ok),
        ("failed", counts.failed),
        ("resolved as done", counts.resolved_done),
        ("resolved as never", counts.resolved_never),
        ("cancelled", counts.cancelled),
        ("expired", counts.expired),
        ("indeterminate", counts.indeterminate),
        ("unresolved", counts.unresolved),
    ];
    let there = fates.iter().filter(|(_, number)| *number > 0);
    let there: Vec<String> = there.map(|(name, number)| format!("{} {name}", count(*number))).collect();
    let sum = if there.is_empty() { String::new() } else { format!(" = {}", there.join(" + ")) };
    let mut text = format!("  Operations  {} attempted{sum}\n", count(counts.attempted));
    let replayed = format!("{} answered with a stored result", count(counts.replayed));
    text += &format!("  Attempts    {}, {replayed}\n", count(counts.attempts));
    if counts.of_others > 0 {
        text +=
            &format!("  Others      {} in the store that no agent has begun\n", plural(counts.of_others, "operation"));
    }
    text
}

fn journals(audit: &Audit) -> String {
    let mut text = String::new();
    for (place, journal) in audit.journals.iter().enumerate() {
        let end = match (journal.damage.is_some(), journal.is_whole) {
            (true, _) => "damaged",
            (_, false) => "no last record: its writer was killed",
            _ => "whole",
        };
        let heading = if place == 0 { "Journals" } else { "" };
        text += &format!("  {heading:<11} {}: {}, {end}\n", journal.name, plural(journal.records, "record"));
    }
    text
}

fn line(invariant: &Invariant) -> String {
    let (mark, reason) = match &invariant.standing {
        Standing::Holds => ("holds", None),
        Standing::Violated => ("VIOLATED", None),
        Standing::Unknown { reason } => ("unknown", Some(reason)),
        Standing::NotApplicable { reason } => ("not applicable", Some(reason)),
    };
    let checked = format!("{} {}", count(invariant.checked), invariant.checked_of);
    let (id, name, violations) = (invariant.id, invariant.name, count(invariant.violations));
    let mut text = format!("  {id:<4} {name:<15} {mark:<15} {checked:>22} {violations:>11}\n");
    let found = invariant.found.iter().map(|found| format!("{} x {}", count(found.count), found.what));
    let mut below: Vec<String> = reason.cloned().into_iter().chain(found).chain(invariant.notes.clone()).collect();
    if below.len() > SHOWN_MAX {
        let more = below.len() - SHOWN_MAX;
        below.truncate(SHOWN_MAX);
        below.push(format!("and {more} more"));
    }
    below.iter().for_each(|said| text += &format!("       {said}\n"));
    text
}

fn witness(witness: &Witness) -> String {
    let mut text = format!("\n{}: operation {}: {}\n", witness.invariant, witness.operation, witness.what);
    for record in &witness.records {
        let (seconds, us) = (record.at_us.div_euclid(1_000_000), record.at_us.rem_euclid(1_000_000));
        text += &format!("  {seconds:>6}.{us:06} s  {:<10} {}\n", record.journal, record.says);
    }
    if witness.left_out > 0 {
        text += &format!("  {} more\n", plural(witness.left_out, "record"));
    }
    text
}
