//! Clients that were wrong on purpose.

use std::collections::BTreeMap;

use erlmcp_record::MisbehavingRow;

use super::bounded::Bounded;

/// The last row of each way, agent and block.
#[derive(Debug)]
pub(crate) struct Misbehaving(Bounded<(String, u32, u32), MisbehavingRow>);

impl Misbehaving {
    pub(super) fn new() -> Self {
        Self(Bounded::new(100_000))
    }

    pub(super) fn push(&mut self, row: &MisbehavingRow) {
        self.0.put((row.way.clone(), row.agent, row.block), row.clone());
    }

    pub(super) fn turned_away(&self) -> u64 {
        self.0.turned_away()
    }

    /// By way: counts added up over agents and blocks.
    pub(crate) fn by_way(&self) -> BTreeMap<&str, MisbehavingRow> {
        let mut sums: BTreeMap<&str, MisbehavingRow> = BTreeMap::new();
        for row in self.0.values() {
            let sum = sums.entry(&row.way).or_default();
            sum.done += row.done;
            sum.refused += row.refused;
            sum.taken += row.taken;
            sum.cut += row.cut;
            sum.unanswered += row.unanswered;
            sum.left += row.left;
            sum.not_connected += row.not_connected;
            sum.last_cut_us = sum.last_cut_us.max(row.last_cut_us);
        }
        sums
    }
}
