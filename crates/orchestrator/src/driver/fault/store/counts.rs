use std::collections::BTreeMap;

use crate::driver::protocol::Status;

/// Operations that replicas have carried out and refused, by replica and its process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counts(BTreeMap<(u16, Option<u32>), (u64, u64)>);

impl Counts {
    pub(super) fn of(status: &Status) -> Self {
        let counts = status.replicas.iter().filter_map(|one| {
            let operations = one.snapshot.as_ref()?.operations.as_ref()?;
            Some(((one.replica, one.pid), (operations.ended("done"), operations.ended("refused"))))
        });
        Self(counts.collect())
    }

    /// Carried out and refused since then; a process that was not there yet counts from zero.
    pub(super) fn since(&self, before: &Self) -> (u64, u64) {
        let more = |(key, (done, refused)): (&(u16, Option<u32>), &(u64, u64))| {
            let (done_before, refused_before) = before.0.get(key).copied().unwrap_or_default();
            (done.saturating_sub(done_before), refused.saturating_sub(refused_before))
        };
        self.0.iter().map(more).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }
}
