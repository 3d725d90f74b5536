use std::collections::{BTreeMap, BTreeSet};

use erlmcp_record::{BlockRow, Fate, FateCounts, IntervalRow, Kind};

use super::bounded::Bounded;

/// The requests of each agent, block and kind: what was planned against the fates.
#[derive(Debug)]
pub(crate) struct Ledger {
    accounts: Bounded<(u32, u32, Kind), Account>,
}

#[derive(Debug, Default)]
struct Account {
    phase: u8,
    planned: u64,
    fates: FateCounts,
}

/// What the ledger comes to.
#[derive(Debug, Default)]
pub(crate) struct Balance {
    /// By phase and kind.
    pub(crate) lines: BTreeMap<(u8, Kind), (u64, FateCounts)>,
    /// Planned requests without a fate, and fates without a planned request.
    pub(crate) missing: u64,
    pub(crate) surplus: u64,
    /// Where it does not balance, as sentences.
    pub(crate) differences: Vec<String>,
}

/// Differences beyond this many are counted and not told one by one.
const TOLD_MAX: usize = 8;

impl Default for Ledger {
    fn default() -> Self {
        Self { accounts: Bounded::new(200_000) }
    }
}

impl Ledger {
    pub(crate) fn push(&mut self, row: &IntervalRow) {
        if let Some(account) = self.accounts.or_default((row.agent, row.block, row.kind)) {
            account.phase = row.phase;
            account.planned += row.planned;
            account.fates.merge(&row.fates);
        }
    }

    pub(crate) fn turned_away(&self) -> u64 {
        self.accounts.turned_away()
    }

    /// Every planned request against its fate. A block's own count stands above its rows', since rows of an agent
    /// that died never came: what it planned and did not report ended as unknown. Requests without a block's row
    /// (the first ones of reopened connections) are unknown where their agent is among the `lost`.
    pub(crate) fn balance(&self, blocks: &BTreeMap<(u32, u32), BlockRow>, lost: &BTreeSet<u32>) -> Balance {
        let mut balance = Balance::default();
        let is_lost = |agent: u32, row: Option<&BlockRow>| row.map_or(lost.contains(&agent), |row| row.lost);
        for (&key, account) in self.accounts.iter() {
            let row = blocks.get(&(key.0, key.1));
            balance.enter(key, row, account, is_lost(key.0, row));
        }
        for (&(agent, block), row) in blocks {
            let key = (agent, block, row.kind);
            if row.planned > 0 && !self.accounts.contains_key(&key) {
                let nothing = Account { phase: row.phase, ..Account::default() };
                balance.enter(key, Some(row), &nothing, row.lost);
            }
        }
        balance
    }
}

impl Balance {
    fn enter(&mut self, key: (u32, u32, Kind), row: Option<&BlockRow>, account: &Account, is_lost: bool) {
        let (agent, block, kind) = key;
        let planned = match row.filter(|row| row.kind == kind) {
            // Reconnects open more connections, and so probe more often, than the block was given.
            Some(row) if kind == Kind::Probe => row.planned.max(account.planned),
            Some(row) => row.planned,
            None => account.planned,
        };
        let fates = account.fates.total();
        let unfated = planned.saturating_sub(fates);
        let line = self.lines.entry((account.phase, kind)).or_default();
        line.0 += planned;
        line.1.merge(&account.fates);
        if is_lost {
            line.1.add(Fate::Unknown, unfated);
        }
        // The rows of a lost agent may be behind what it planned; for all others the two counts are one.
        let missing = if is_lost { 0 } else { unfated.max(planned.abs_diff(account.planned)) };
        let surplus = fates.saturating_sub(planned);
        self.missing += missing;
        self.surplus += surplus;
        if missing + surplus > 0 && self.differences.len() < TOLD_MAX {
            let in_rows = account.planned;
            self.differences.push(format!(
                "agent {agent}, block {block}, {kind:?}: {planned} planned, {in_rows} of them in its rows, {fates} fates"
            ));
        }
    }

    pub(crate) fn difference(&self) -> u64 {
        self.missing + self.surplus
    }

    pub(crate) fn planned(&self) -> u64 {
        self.lines.values().map(|line| line.0).sum()
    }
}
