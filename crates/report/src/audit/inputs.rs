use std::path::{Path, PathBuf};

use erlmcp_record::operations::{JournalOf, RECORD_BYTES, agent_journals, store_journal};

use super::AuditError;
use super::exposure::FaultSpan;
use crate::Analysis;

/// What an audit reads, and what it must know of the run to read it right.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) folder: PathBuf,
    pub(super) journals: Vec<Input>,
    /// Faults whose effect was observed, by their start.
    pub(super) faults: Vec<FaultSpan>,
    /// CLOCK_MONOTONIC at the run clock's zero.
    pub(super) base_ns: u64,
    /// Nobody but the run's own agents may have used the store.
    pub(super) is_own_cluster: bool,
    /// Agents of the run without a journal.
    pub(super) missing_agents: Vec<u32>,
}

#[derive(Debug)]
pub(super) struct Input {
    pub(super) of: JournalOf,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

impl Input {
    /// "agent 1", "store".
    pub(super) fn name(&self) -> String {
        match self.of {
            JournalOf::Agent(agent) => format!("agent {agent}"),
            JournalOf::Store => "store".into(),
        }
    }
}

impl Inputs {
    pub(super) fn of(folder: &Path, analysis: &Analysis) -> Result<Self, AuditError> {
        let agents = agent_journals(folder)?;
        let has = |agent: u32| agents.iter().any(|(number, _)| *number == agent);
        let config = analysis.config.as_ref();
        let expected = config.map_or(0, |config| config.agents);
        // Agents are numbered from 0; some tell of themselves in the record.
        let told = analysis.agents.keys().copied().filter(|agent| *agent >= expected);
        let missing_agents = (0..expected).chain(told).filter(|agent| !has(*agent)).collect();
        let mut journals: Vec<Input> = agents
            .into_iter()
            .map(|(agent, path)| Input { of: JournalOf::Agent(agent), bytes: size(&path), path })
            .collect();
        let store = store_journal(folder);
        if store.exists() {
            journals.push(Input { of: JournalOf::Store, bytes: size(&store), path: store });
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            journals,
            faults: FaultSpan::all(analysis),
            base_ns: analysis.header.as_ref().map_or(0, |header| header.monotonic_base_ns),
            is_own_cluster: config.is_some_and(|config| config.own_cluster),
            missing_agents,
        })
    }

    pub(super) fn has_store(&self) -> bool {
        self.journals.iter().any(|journal| journal.of == JournalOf::Store)
    }

    pub(super) fn has_agents(&self) -> bool {
        self.journals.iter().any(|journal| matches!(journal.of, JournalOf::Agent(_)))
    }

    /// Records in all journals, at most.
    pub(super) fn records(&self) -> u64 {
        self.journals.iter().map(|journal| journal.bytes / RECORD_BYTES as u64).sum()
    }
}

/// Only chooses how many partitions there are: a size that cannot be had is found when the journal is read.
fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}
