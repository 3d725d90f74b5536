//! The journals, read once each: sorted into partitions, and counted.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use erlmcp_record::operations::{Event, JournalOf, OperationReader, OperationRecord, OperationsError, Reason};

use super::AuditError;
use super::compact::Compact;
use super::exposure::Exposure;
use super::inputs::{Input, Inputs};
use super::limits::AuditLimits;
use super::model::JournalFacts;
use super::partitions::{Feeder, Partitions};

/// Incarnations of replicas that were fenced, at most; more than these are not told apart from living ones.
const FENCED_MAX: usize = 1 << 20;

/// What one reading of all journals gave.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) partitions: Partitions,
    /// One for each input, in their order.
    pub(super) journals: Vec<Read>,
    pub(super) exposure: Exposure,
    pub(super) attempts: Attempts,
}

/// Attempts of all agents that did not end ok.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Attempts {
    /// Their clients were told that there was no room in the queue.
    pub(super) refused: u64,
    /// Their ends are not known, or were not written down.
    pub(super) unknown: u64,
    /// They were answered by what was not the answer to them.
    pub(super) strange: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Read {
    pub(super) facts: JournalFacts,
    /// First attempts, which are operations begun.
    pub(super) begun: u64,
    /// Operations begun, as the last record says.
    pub(super) begun_told: Option<u64>,
    attempts: Attempts,
}

impl Scanned {
    /// True where the store's journal has all that the store had.
    pub(super) fn store_is_whole(&self, inputs: &Inputs) -> bool {
        let of_store = inputs.journals.iter().zip(&self.journals).filter(|(input, _)| input.of == JournalOf::Store);
        inputs.has_store() && of_store.into_iter().all(|(_, read)| read.facts.is_whole && read.facts.damage.is_none())
    }

    /// True where an agent's journal may lack something.
    pub(super) fn agent_is_damaged(&self, inputs: &Inputs) -> bool {
        let mut agents = inputs.journals.iter().zip(&self.journals).filter(|(input, _)| input.of != JournalOf::Store);
        agents.any(|(_, read)| read.facts.damage.is_some())
    }
}

pub(super) fn scan(inputs: &Inputs, limits: &AuditLimits) -> Result<Scanned, AuditError> {
    let partitions = Partitions::new(limits.partitions(inputs.records()), &inputs.folder)?;
    let exposure = Mutex::new(Exposure::of(&inputs.faults));
    let read: Vec<Mutex<Option<Read>>> = inputs.journals.iter().map(|_| Mutex::new(None)).collect();
    // The largest first, so that the last thread does not end with it.
    let mut order: Vec<usize> = (0..inputs.journals.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(inputs.journals[*at].bytes));
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), AuditError> {
        let mut worker = Worker { inputs, feeder: partitions.feeder(), exposure: Exposure::of(&inputs.faults) };
        while let Some(at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let one = worker.read(*at)?;
            worker.exposure.end_journal(&inputs.faults);
            *read[*at].lock().expect("no thread panics with it") = Some(one);
        }
        worker.feeder.finish()?;
        exposure.lock().expect("no thread panics with it").merge(&worker.exposure);
        Ok(())
    };
    in_threads(limits.threads.min(inputs.journals.len()), &work)?;
    let journals = read.into_iter().map(|one| one.into_inner().expect("no thread panics with it"));
    let journals: Vec<Read> = journals.map(|one| one.expect("every journal was read")).collect();
    let mut attempts = Attempts::default();
    for read in &journals {
        attempts.refused += read.attempts.refused;
        attempts.unknown += read.attempts.unknown;
        attempts.strange += read.attempts.strange;
    }
    Ok(Scanned { partitions, journals, attempts, exposure: exposure.into_inner().expect("no thread panics with it") })
}

/// Does the same work in so many threads, this one among them.
pub(super) fn in_threads(threads: usize, work: &(dyn Fn() -> Result<(), AuditError> + Sync)) -> Result<(), AuditError> {
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mine = work();
        let mut all =
            others.into_iter().map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        let theirs = all.by_ref().find(Result::is_err);
        all.for_each(drop);
        mine.and(theirs.unwrap_or(Ok(())))
    })
}

struct Worker<'a> {
    inputs: &'a Inputs,
    feeder: Feeder<'a>,
    exposure: Exposure,
}

impl Worker<'_> {
    fn read(&mut self, at: usize) -> Result<Read, AuditError> {
        let input = &self.inputs.journals[at];
        let facts = JournalFacts { name: input.name(), records: 0, torn_bytes: 0, is_whole: false, damage: None };
        let mut read = Read { facts, begun: 0, begun_told: None, attempts: Attempts::default() };
        let mut reader = match OperationReader::open(&input.path) {
            Ok(reader) => reader,
            Err(error) => return read.with_damage(error),
        };
        if reader.of().is_some_and(|of| of != input.of) {
            read.facts.damage = Some(format!("{} is another's by its header", input.path.display()));
            return Ok(read);
        }
        let mut fenced = BTreeSet::new();
        loop {
            let record = match reader.next_record() {
                Ok(Some(record)) => record,
                Ok(None) => break,
                Err(error) => return read.with_damage(error),
            };
            if read.facts.is_whole || !belongs(input, record.event) {
                let number = read.facts.records;
                let what = if read.facts.is_whole { "follows its end" } else { "is not its to say" };
                read.facts.damage = Some(format!("{}: record {number} {what}", input.path.display()));
                return Ok(read);
            }
            read.facts.records += 1;
            self.take(at, &record, &mut read, &mut fenced)?;
        }
        read.facts.torn_bytes = reader.tail().torn_bytes;
        Ok(read)
    }

    fn take(
        &mut self,
        at: usize,
        record: &OperationRecord,
        read: &mut Read,
        fenced: &mut BTreeSet<u64>,
    ) -> Result<(), AuditError> {
        match record.event {
            Event::End => {
                read.facts.is_whole = true;
                read.begun_told = Some(record.begun);
                return Ok(());
            }
            // A whole epoch's.
            Event::Fenced if record.operation.0 == 0 => {
                if fenced.len() < FENCED_MAX {
                    fenced.insert(record.epoch);
                }
                return Ok(());
            }
            Event::SentAll => return Ok(()),
            Event::Invoke => {
                read.begun += u64::from(record.attempt <= 1);
                read.attempts.unknown += 1;
            }
            Event::Ok | Event::Fail => {
                read.attempts.unknown = read.attempts.unknown.saturating_sub(1);
                read.attempts.refused += u64::from(record.reason == Reason::Refused);
            }
            Event::Info => read.attempts.strange += u64::from(record.reason == Reason::NotAnAnswer),
            _ => {}
        }
        let is_fenced = match record.event {
            // The effect log is another table of the store: only its own order is kept.
            Event::Effect => false,
            event => event.is_stores() && !fenced.is_empty() && fenced.contains(&record.epoch),
        };
        if !record.event.is_stores() {
            self.exposure.push(&self.inputs.faults, record);
        }
        self.feeder.push(&Compact::of(record, at as u16, is_fenced))
    }
}

fn belongs(input: &Input, event: Event) -> bool {
    event == Event::End || event.is_stores() == (input.of == JournalOf::Store)
}

impl Read {
    /// Damage is found; what cannot be read at all is an error.
    fn with_damage(mut self, error: OperationsError) -> Result<Self, AuditError> {
        match error {
            OperationsError::Damaged { .. } | OperationsError::NotAJournal { .. } => {
                self.facts.damage = Some(error.to_string());
                Ok(self)
            }
            error => Err(error.into()),
        }
    }
}
