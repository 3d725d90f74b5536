//! What an audit comes to.

use serde::Serialize;

/// The whole result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Audit {
    /// The run's id.
    pub run: String,
    pub verdict: AuditVerdict,
    /// Why nothing could be audited; None where something could.
    pub nothing: Option<String>,
    pub operations: OperationCounts,
    pub journals: Vec<JournalFacts>,
    /// Faults of the run whose effect was observed.
    pub faults: u64,
    /// The journals themselves, then I1 to I10.
    pub invariants: Vec<Invariant>,
    /// A few for each way in which an invariant is violated.
    pub witnesses: Vec<Witness>,
}

/// The first that applies: something is violated, something is not known, all that applies holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditVerdict {
    Invalid,
    Unknown,
    Valid,
}

/// Operations by the fate that their client knows, and what was sent for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OperationCounts {
    pub attempted: u64,
    pub ok: u64,
    /// Every attempt was refused, or never left.
    pub failed: u64,
    /// The ends of some attempts were not known; the store was asked and said so.
    pub resolved_done: u64,
    pub resolved_never: u64,
    pub cancelled: u64,
    pub expired: u64,
    pub indeterminate: u64,
    /// The store was not asked, or has not answered.
    pub unresolved: u64,
    pub attempts: u64,
    /// Ok answers that were stored ones.
    pub replayed: u64,
    /// Operations that only the store knows, in a cluster that is not the run's own.
    pub of_others: u64,
}

impl OperationCounts {
    pub(super) fn add(&mut self, other: &Self) {
        self.attempted += other.attempted;
        self.ok += other.ok;
        self.failed += other.failed;
        self.resolved_done += other.resolved_done;
        self.resolved_never += other.resolved_never;
        self.cancelled += other.cancelled;
        self.expired += other.expired;
        self.indeterminate += other.indeterminate;
        self.unresolved += other.unresolved;
        self.attempts += other.attempts;
        self.replayed += other.replayed;
        self.of_others += other.of_others;
    }

    /// All fates together.
    pub fn fates(&self) -> u64 {
        let resolved = self.resolved_done + self.resolved_never + self.cancelled + self.expired + self.indeterminate;
        self.ok + self.failed + resolved + self.unresolved
    }
}

/// One journal that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JournalFacts {
    /// "agent 1", "store".
    pub name: String,
    pub records: u64,
    /// Bytes of its end that a crash left.
    pub torn_bytes: u64,
    /// It has its last record: its writer ended in order.
    pub is_whole: bool,
    /// Why it cannot be trusted; None where it can.
    pub damage: Option<String>,
}

/// One thing that must hold, and whether it does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Invariant {
    /// "I1"; "J" for the journals.
    pub id: &'static str,
    pub name: &'static str,
    pub standing: Standing,
    /// How many of what it was checked over.
    pub checked: u64,
    pub checked_of: &'static str,
    /// How many of those violate it.
    pub violations: u64,
    /// In which ways, with how often. One operation may violate it in several.
    pub found: Vec<Found>,
    /// What was left out, or must be known to read it right.
    pub notes: Vec<String>,
}

/// One way in which an invariant is violated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    pub what: String,
    pub count: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    Holds,
    Violated,
    /// Data are missing, or say nothing.
    Unknown {
        reason: String,
    },
    NotApplicable {
        reason: String,
    },
}

/// One operation that violates an invariant: all records of it, on one timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Witness {
    pub invariant: &'static str,
    pub what: String,
    /// As on the wire.
    pub operation: String,
    pub records: Vec<WitnessRecord>,
    /// Records past the bound, which are not shown.
    pub left_out: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WitnessRecord {
    /// The run's clock, microseconds.
    pub at_us: i64,
    /// "agent 1", "store", "run".
    pub journal: String,
    pub says: String,
}
