use std::path::Path;

use erlmcp_record::operations::{Class, Event, OperationId, OperationRecord, OperationWriter, OperationsError, Reason};

use super::Counts;
use super::answer::Echoed;
use super::course::End;
use crate::clock::monotonic_ns;

/// The agent's journal of operations, and what is counted of it. After an error nothing more is begun.
#[derive(Debug)]
pub(super) struct Journal {
    writer: Option<OperationWriter>,
    counts: Counts,
}

/// What one operation's records have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    pub(super) operation: OperationId,
    pub(super) fingerprint: u64,
    pub(super) nonce: u64,
}

impl Journal {
    pub(super) fn create(folder: &Path, agent: u32) -> Result<Self, OperationsError> {
        Ok(Self { writer: Some(OperationWriter::of_agent(folder, agent)?), counts: Counts::default() })
    }

    /// Before the first byte: with the kernel when it returns. False where that failed: nothing may be sent.
    pub(super) fn invoke(&mut self, of: &Identity, attempt: u8, replica: u16) -> bool {
        let record = OperationRecord { fingerprint: of.fingerprint, nonce: of.nonce, ..record(Event::Invoke, of) };
        if !self.write(&OperationRecord { attempt, replica, ..record }) {
            return false;
        }
        self.counts.begun += u64::from(attempt == 1);
        self.counts.attempts += 1;
        true
    }

    pub(super) fn sent_all(&mut self, of: &Identity, attempt: u8, replica: u16) {
        self.write(&OperationRecord { attempt, replica, ..record(Event::SentAll, of) });
    }

    /// `result`: of an ok.
    pub(super) fn ended(&mut self, of: &Identity, (attempt, replica): (u8, u16), end: End, result: Echoed) {
        let (event, reason) = match end {
            End::Ok => (Event::Ok, Reason::None),
            // This attempt did nothing; what the operation came to is said apart.
            End::Settled(_) => (Event::Fail, Reason::Settled),
            End::Fail { reason, .. } => (Event::Fail, reason),
            End::Info(reason) => (Event::Info, reason),
        };
        let of_attempt = OperationRecord { attempt, replica, reason, ..record(event, of) };
        let Echoed { hash, nonce, epoch, replayed } = result;
        self.write(&OperationRecord { hash, nonce, epoch, replayed, ..of_attempt });
        if let End::Settled(state) = end {
            self.resolved(of, state, Echoed::default());
        }
    }

    pub(super) fn resolved(&mut self, of: &Identity, state: Reason, result: Echoed) {
        let Echoed { hash, nonce, epoch, .. } = result;
        self.write(&OperationRecord { reason: state, hash, nonce, epoch, ..record(Event::Resolved, of) });
    }

    /// An operation's fate is known.
    pub(super) fn settled(&mut self) {
        self.counts.settled += 1;
    }

    #[cfg(test)]
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn is_broken(&self) -> bool {
        self.writer.is_none()
    }

    /// The last record. What is not settled now will not be.
    pub(super) fn end(&mut self) -> Result<Counts, OperationsError> {
        if let Some(writer) = self.writer.take() {
            writer.end(self.counts.begun, self.counts.settled, monotonic_ns())?;
        }
        Ok(self.counts)
    }

    fn write(&mut self, record: &OperationRecord) -> bool {
        let Some(writer) = &mut self.writer else { return false };
        if let Err(error) = writer.append(record).and_then(|()| writer.flush()) {
            tracing::error!("no more operations are begun: {error}");
            self.writer = None;
        }
        self.writer.is_some()
    }
}

fn record(event: Event, of: &Identity) -> OperationRecord {
    OperationRecord { class: Class::Transactional, ..OperationRecord::new(event, of.operation, monotonic_ns()) }
}
