/// How much of the machine an audit may take.
///
/// Memory is at most: threads x (partitions x 16 KiB + 512 KiB) while the journals are read, then threads x the
/// operations of one partition x about 250 bytes. Partitions are chosen so that each has `records_a_partition` records;
/// with the defaults an audit stays under 256 MiB up to 10^8 operations.
#[derive(Debug, Clone)]
pub struct AuditLimits {
    /// Threads at once.
    pub threads: usize,
    /// Records of one partition, about. Fewer records than this in all are sorted in memory.
    pub records_a_partition: u64,
    /// Partitions, each with a temporary file of its own, at most.
    pub partitions_max: usize,
    /// Operations of one partition, at most: an audit with more ends with an error.
    pub operations_a_partition_max: usize,
}

impl Default for AuditLimits {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(4));
        Self { threads, records_a_partition: 300_000, partitions_max: 512, operations_a_partition_max: 1 << 21 }
    }
}

impl AuditLimits {
    /// How many partitions so many records are sorted into: a power of two.
    pub(super) fn partitions(&self, records: u64) -> usize {
        let wanted = records.div_ceil(self.records_a_partition.max(1)).max(1);
        let most = self.partitions_max.max(1) as u64;
        let wanted = wanted.min(most) as usize;
        if wanted.is_power_of_two() { wanted } else { wanted.next_power_of_two().min(most as usize) }
    }
}
