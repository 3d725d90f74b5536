//! Partition by partition: the operations, and what the rules say of each.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::AuditError;
use super::inputs::Inputs;
use super::limits::AuditLimits;
use super::model::OperationCounts;
use super::operation::{Fate, Operation, Settled};
use super::rules::{Known, Rule, Violation, check};
use super::scan::{Scanned, in_threads};

/// Operations shown for each way in which an invariant is violated.
const WITNESSES_EACH: usize = 2;

/// What all operations together come to.
#[derive(Debug, Clone)]
pub(super) struct Evaluated {
    pub(super) known: Known,
    pub(super) counts: OperationCounts,
    /// Operations that each rule has something to say about, and those of them that violate it.
    pub(super) checked: [u64; Rule::ALL.len()],
    pub(super) violated: [u64; Rule::ALL.len()],
    pub(super) found: [u64; Violation::ALL.len()],
    /// Unresolved ones whose client could not ask any more.
    pub(super) cut: u64,
    /// The simplest operations of each violation: by their number of records, then by their id.
    pub(super) examples: Vec<Vec<(u32, u128)>>,
}

pub(super) fn evaluate(scanned: &Scanned, inputs: &Inputs, limits: &AuditLimits) -> Result<Evaluated, AuditError> {
    let clients = inputs.is_own_cluster && inputs.missing_agents.is_empty() && !scanned.agent_is_damaged(inputs);
    let known = Known { store: scanned.store_is_whole(inputs), clients };
    let is_cut: Vec<bool> = scanned.journals.iter().map(|read| !read.facts.is_whole).collect();
    let sum = Mutex::new(Evaluated::new(known));
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), AuditError> {
        let mut mine = Evaluated::new(known);
        let mut operations = Operations::default();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= scanned.partitions.count() {
                break;
            }
            gather(scanned, place, limits, &mut operations)?;
            for (id, (records, operation)) in operations.drain() {
                let was_cut = is_cut.get(usize::from(operation.source())).copied().unwrap_or(false);
                mine.push(id, &operation, records, was_cut);
            }
        }
        sum.lock().expect("no thread panics with it").merge(mine);
        Ok(())
    };
    in_threads(limits.threads.min(scanned.partitions.count()), &work)?;
    Ok(sum.into_inner().expect("no thread panics with it"))
}

/// By an operation's id.
pub(super) type ByOperation<T> = HashMap<u128, T, BuildHasherDefault<IdHasher>>;

/// With how many records each has.
type Operations = ByOperation<(u32, Operation)>;

fn gather(
    scanned: &Scanned,
    place: usize,
    limits: &AuditLimits,
    operations: &mut Operations,
) -> Result<(), AuditError> {
    scanned.partitions.each(place, |record| {
        if operations.len() >= limits.operations_a_partition_max && !operations.contains_key(&record.operation) {
            return Err(AuditError::TooMany(limits.operations_a_partition_max));
        }
        let (records, operation) = operations.entry(record.operation).or_default();
        *records = records.saturating_add(1);
        operation.push(record);
        Ok(())
    })
}

/// Ids are random already, or hashes.
#[derive(Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn write_u128(&mut self, id: u128) {
        self.0 = (id as u64 ^ (id >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Evaluated {
    fn new(known: Known) -> Self {
        Self {
            known,
            counts: OperationCounts::default(),
            checked: [0; Rule::ALL.len()],
            violated: [0; Rule::ALL.len()],
            found: [0; Violation::ALL.len()],
            cut: 0,
            examples: vec![Vec::new(); Violation::ALL.len()],
        }
    }

    fn push(&mut self, id: u128, operation: &Operation, records: u32, was_cut: bool) {
        let fate = operation.fate();
        count(&mut self.counts, operation, fate, self.known);
        self.cut += u64::from(fate == Fate::Unresolved && was_cut);
        for (rule, checked) in Rule::ALL.into_iter().zip(&mut self.checked) {
            *checked += u64::from(concerns(rule, operation, fate));
        }
        let (mut violated, known) = ([false; Rule::ALL.len()], self.known);
        check(operation, known, was_cut, |violation| {
            violated[violation.rule() as usize] = true;
            self.found[violation as usize] += 1;
            keep(&mut self.examples[violation as usize], (records, id));
        });
        for (is, sum) in violated.into_iter().zip(&mut self.violated) {
            *sum += u64::from(is);
        }
    }

    fn merge(&mut self, other: Self) {
        let add = |into: &mut [u64], from: &[u64]| into.iter_mut().zip(from).for_each(|(into, from)| *into += from);
        add(&mut self.checked, &other.checked);
        add(&mut self.violated, &other.violated);
        add(&mut self.found, &other.found);
        self.cut += other.cut;
        self.counts.add(&other.counts);
        for (kept, examples) in self.examples.iter_mut().zip(other.examples) {
            examples.into_iter().for_each(|example| keep(kept, example));
        }
    }
}

/// The same ones in whatever order they come.
fn keep(kept: &mut Vec<(u32, u128)>, example: (u32, u128)) {
    let at = kept.partition_point(|other| *other < example);
    if at < WITNESSES_EACH {
        kept.insert(at, example);
        kept.truncate(WITNESSES_EACH);
    }
}

/// True where a rule has anything to say about an operation.
fn concerns(rule: Rule, operation: &Operation, fate: Fate) -> bool {
    let is_ours = fate != Fate::NotOurs;
    let is_told_done = operation.oks > 0 || operation.is_told(Settled::Done);
    match rule {
        Rule::Total => true,
        Rule::NoInvention => is_ours && is_told_done,
        Rule::NoLoss => is_ours && (is_told_done || operation.accepted > 0),
        Rule::NoDuplicates => is_ours && operation.is_once(),
        Rule::FailMeansNo => fate == Fate::Failed,
        Rule::InfoResolved => matches!(fate, Fate::Resolved(_) | Fate::Unresolved),
        Rule::Conservation => is_ours,
    }
}

fn count(counts: &mut OperationCounts, operation: &Operation, fate: Fate, known: Known) {
    let of_fate = match fate {
        Fate::NotOurs => {
            counts.of_others += u64::from(!known.clients);
            return;
        }
        Fate::Ok => &mut counts.ok,
        Fate::Failed => &mut counts.failed,
        Fate::Resolved(Settled::Done) => &mut counts.resolved_done,
        Fate::Resolved(Settled::Never) => &mut counts.resolved_never,
        Fate::Resolved(Settled::Cancelled) => &mut counts.cancelled,
        Fate::Resolved(Settled::Expired) => &mut counts.expired,
        Fate::Resolved(Settled::Indeterminate) => &mut counts.indeterminate,
        Fate::Unresolved => &mut counts.unresolved,
    };
    *of_fate += 1;
    counts.attempted += 1;
    counts.attempts += operation.attempts();
    counts.replayed += u64::from(operation.replayed);
}
