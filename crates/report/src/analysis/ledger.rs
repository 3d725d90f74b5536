use std::collections::{BTreeMap, BTreeSet};

use erlmcp_record::{BlockRow, Fate, FateCounts, IntervalRow, Kind};

use super::bounded::Bounded;
use super::flow::FlowKey;

/// The requests of each agent, block and kind: what was planned against the fates.
#[derive(Debug)]
pub(crate) struct Ledger {
    accounts: Bounded<AccountKey, Account>,
}

/// A block belongs to one phase. Requests without one (block 0) come in all of them, and have an account in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct AccountKey {
    agent: u32,
    block: u32,
    kind: Kind,
    /// None but for block 0.
    phase: Option<u8>,
}

impl AccountKey {
    fn of(agent: u32, block: u32, kind: Kind, phase: u8) -> Self {
        Self { agent, block, kind, phase: (block == 0).then_some(phase) }
    }
}

/// What agents that died left open of one kind of one block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LeftOpen {
    /// Planned, and in none of the rows that came.
    pub(crate) untold: u64,
    /// Planned, and without a fate.
    pub(crate) unfated: u64,
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
        if let Some(account) = self.accounts.or_default(AccountKey::of(row.agent, row.block, row.kind, row.phase)) {
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
        self.each(blocks, lost, |key, planned, account, is_lost| balance.enter(key, planned, account, is_lost));
        balance
    }

    /// What agents that died left open: it ended as unknown, and is in no flow.
    pub(crate) fn left_open(
        &self,
        blocks: &BTreeMap<(u32, u32), BlockRow>,
        lost: &BTreeSet<u32>,
    ) -> BTreeMap<FlowKey, LeftOpen> {
        let mut found: BTreeMap<FlowKey, LeftOpen> = BTreeMap::new();
        self.each(blocks, lost, |key, planned, account, is_lost| {
            if is_lost {
                let flow = FlowKey { phase: account.phase, block: key.block, kind: key.kind };
                let open = found.entry(flow).or_default();
                open.untold += planned.saturating_sub(account.planned);
                open.unfated += planned.saturating_sub(account.fates.total());
            }
        });
        found
    }

    /// Every account with what was planned in it, and whether its agent died.
    fn each(
        &self,
        blocks: &BTreeMap<(u32, u32), BlockRow>,
        lost: &BTreeSet<u32>,
        mut enter: impl FnMut(AccountKey, u64, &Account, bool),
    ) {
        for (&key, account) in self.accounts.iter() {
            let row = blocks.get(&(key.agent, key.block));
            let is_lost = row.map_or(lost.contains(&key.agent), |row| row.lost);
            let planned = match row.filter(|row| row.kind == key.kind) {
                // Reconnects open more connections, and so probe more often, than the block was given. Rows of an
                // agent that died may be ahead of the last count of its block.
                Some(row) if key.kind == Kind::Probe || is_lost => row.planned.max(account.planned),
                Some(row) => row.planned,
                None => account.planned,
            };
            enter(key, planned, account, is_lost);
        }
        for (&(agent, block), row) in blocks {
            let key = AccountKey::of(agent, block, row.kind, row.phase);
            if row.planned > 0 && !self.accounts.contains_key(&key) {
                let nothing = Account { phase: row.phase, ..Account::default() };
                enter(key, row.planned, &nothing, row.lost);
            }
        }
    }
}

impl Balance {
    fn enter(&mut self, key: AccountKey, planned: u64, account: &Account, is_lost: bool) {
        let AccountKey { agent, block, kind, .. } = key;
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
