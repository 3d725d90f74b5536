//! Operations that violate an invariant, with all records of each on one timeline. The journals are read once more:
//! only where something is violated, and only for the few that are shown.

use std::collections::BTreeMap;

use erlmcp_record::operations::{Event, OperationReader, OperationRecord, Reason};

use super::AuditError;
use super::evaluate::Evaluated;
use super::exposure::FaultSpan;
use super::inputs::Inputs;
use super::model::{Witness, WitnessRecord};
use super::rules::Violation;
use super::scan::Scanned;

/// Records of one operation that are shown, at most.
const SHOWN_MAX: usize = 40;

/// What was read again of one operation.
#[derive(Debug, Default)]
struct Timeline {
    /// By time; the name of the journal with each.
    records: Vec<(u64, String, String)>,
    left_out: u64,
    is_stand_in: bool,
}

pub(super) fn collect(inputs: &Inputs, scanned: &Scanned, evaluated: &Evaluated) -> Result<Vec<Witness>, AuditError> {
    let mut timelines: BTreeMap<u128, Timeline> =
        evaluated.examples.iter().flatten().map(|(_, id)| (*id, Timeline::default())).collect();
    if timelines.is_empty() {
        return Ok(Vec::new());
    }
    let all = inputs.journals.iter().zip(&scanned.journals);
    // One with a damaged header cannot even be opened.
    for (input, read) in all.filter(|(_, read)| read.facts.records > 0) {
        let name = input.name();
        let mut reader = OperationReader::open(&input.path)?;
        // As far as it was read before: behind that it is damaged.
        for _ in 0..read.facts.records {
            let Some(record) = reader.next_record()? else { break };
            if let Some(timeline) = timelines.get_mut(&record.operation.0) {
                timeline.push(&name, &record);
            }
        }
    }
    for timeline in timelines.values_mut() {
        timeline.add_faults(&inputs.faults);
        timeline.records.sort_by_key(|(at_ns, _, _)| *at_ns);
    }
    let of = |violation: Violation| evaluated.examples[violation as usize].iter().map(move |(_, id)| (violation, *id));
    let all = Violation::ALL.into_iter().flat_map(of);
    Ok(all.map(|(violation, id)| timelines[&id].witness(violation, id, inputs.base_ns)).collect())
}

impl Timeline {
    fn push(&mut self, journal: &str, record: &OperationRecord) {
        self.is_stand_in |= record.is_stand_in;
        if self.records.len() == SHOWN_MAX {
            self.left_out += 1;
            return;
        }
        self.records.push((record.at_ns, journal.to_owned(), said(record)));
    }

    /// The faults that were in force between its first record and its last.
    fn add_faults(&mut self, faults: &[FaultSpan]) {
        let times = || self.records.iter().map(|(at_ns, _, _)| *at_ns);
        let (Some(first), Some(last)) = (times().min(), times().max()) else { return };
        let in_force = |fault: &&FaultSpan| fault.effect_ns <= last && fault.over_ns.is_none_or(|over| over >= first);
        let mut marks = Vec::new();
        for fault in faults.iter().filter(in_force) {
            let named = format!("fault {} ({})", fault.id, fault.what);
            marks.push((fault.effect_ns, "run".to_owned(), format!("{named}: its effect was seen")));
            marks.extend(
                fault.over_ns.map(|over_ns| (over_ns, "run".to_owned(), format!("{named}: nothing of it is left"))),
            );
            if marks.len() >= SHOWN_MAX {
                break;
            }
        }
        self.records.extend(marks);
    }

    fn witness(&self, violation: Violation, id: u128, base_ns: u64) -> Witness {
        let note = if self.is_stand_in { " (stands for an id of another form)" } else { "" };
        let record = |(at_ns, journal, says): &(u64, String, String)| WitnessRecord {
            at_us: (i128::from(*at_ns) - i128::from(base_ns)).div_euclid(1_000) as i64,
            journal: journal.clone(),
            says: says.clone(),
        };
        Witness {
            invariant: violation.rule().id(),
            what: violation.words().into(),
            operation: format!("{id:032x}{note}"),
            records: self.records.iter().map(record).collect(),
            left_out: self.left_out,
        }
    }
}

fn said(record: &OperationRecord) -> String {
    let OperationRecord { attempt, replica, fingerprint, hash, nonce, epoch, .. } = record;
    let of_attempt = format!("{} of attempt {attempt}", record.event.name().to_uppercase());
    match record.event {
        Event::Invoke => {
            format!("INVOKE attempt {attempt} to replica {replica}, payload {fingerprint:016x}, nonce {nonce:016x}")
        }
        Event::Ok => {
            let replayed = if record.replayed { ", a stored answer" } else { "" };
            format!("{of_attempt}: result {hash:016x}, nonce {nonce:016x}, epoch {epoch}{replayed}")
        }
        Event::Resolved if record.reason == Reason::Done => format!("RESOLVED done: result {hash:016x}"),
        Event::Resolved => format!("RESOLVED {}", record.reason.words()),
        Event::Fail | Event::Info => format!("{of_attempt}: {}", record.reason.words()),
        Event::SentAll | Event::End => of_attempt,
        event => {
            let mut text = format!("{} by epoch {epoch}, replica {replica}", event.name().to_uppercase());
            if *fingerprint != 0 {
                text += &format!(", payload {fingerprint:016x}");
            }
            if *hash != 0 {
                text += &format!(", result {hash:016x}");
            }
            text
        }
    }
}
