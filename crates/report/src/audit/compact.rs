use erlmcp_record::operations::{Class, Event, OperationRecord, Reason};

/// Bytes of a record on its way through a partition.
pub(super) const COMPACT_BYTES: usize = 48;

/// What the rules need of a record: neither its time nor its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Compact {
    pub(super) operation: u128,
    pub(super) event: Event,
    /// Of a client: the journal, by its place among the inputs.
    pub(super) source: u16,
    pub(super) attempt: u8,
    pub(super) fingerprint: u64,
    pub(super) hash: u64,
    pub(super) nonce: u64,
    pub(super) epoch: u64,
    pub(super) reason: Reason,
    pub(super) class: Class,
    pub(super) replayed: bool,
    pub(super) principal: u32,
    /// Its epoch had been fenced as a whole before it was written.
    pub(super) is_fenced: bool,
}

impl Compact {
    pub(super) fn of(record: &OperationRecord, source: u16, is_fenced: bool) -> Self {
        Self {
            operation: record.operation.0,
            event: record.event,
            source,
            attempt: record.attempt,
            fingerprint: record.fingerprint,
            hash: record.hash,
            nonce: record.nonce,
            epoch: record.epoch,
            reason: record.reason,
            class: record.class,
            replayed: record.replayed,
            principal: record.principal,
            is_fenced,
        }
    }

    pub(super) fn encode(&self) -> [u8; COMPACT_BYTES] {
        let mut bytes = [0; COMPACT_BYTES];
        let is_stores = self.event.is_stores();
        let (first, second, rest) = if is_stores {
            (self.hash, self.fingerprint, self.principal)
        } else {
            let rest = u32::from(self.reason as u16) | (self.class as u32) << 16 | u32::from(self.replayed) << 24;
            (if self.event == Event::Invoke { self.fingerprint } else { self.hash }, self.nonce, rest)
        };
        bytes[..16].copy_from_slice(&self.operation.to_le_bytes());
        bytes[16..24].copy_from_slice(&first.to_le_bytes());
        bytes[24..32].copy_from_slice(&second.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[40..44].copy_from_slice(&rest.to_le_bytes());
        bytes[44] = self.event as u8;
        bytes[45] = if is_stores { u8::from(self.is_fenced) } else { self.attempt };
        bytes[46..].copy_from_slice(&self.source.to_le_bytes());
        bytes
    }

    /// None for bytes that no `encode` gave.
    pub(super) fn decode(bytes: &[u8; COMPACT_BYTES]) -> Option<Self> {
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let rest = u32::from_le_bytes(bytes[40..44].try_into().expect("four bytes"));
        let event = Event::from_number(bytes[44])?;
        let (first, second) = (word(16), word(24));
        let mut compact = Self {
            operation: u128::from_le_bytes(bytes[..16].try_into().expect("sixteen bytes")),
            event,
            source: u16::from_le_bytes([bytes[46], bytes[47]]),
            attempt: 0,
            fingerprint: 0,
            hash: 0,
            nonce: 0,
            epoch: word(32),
            reason: Reason::None,
            class: Class::Unknown,
            replayed: false,
            principal: 0,
            is_fenced: false,
        };
        if event.is_stores() {
            (compact.hash, compact.fingerprint, compact.principal) = (first, second, rest);
            compact.is_fenced = bytes[45] != 0;
            return Some(compact);
        }
        compact.attempt = bytes[45];
        compact.nonce = second;
        *(if event == Event::Invoke { &mut compact.fingerprint } else { &mut compact.hash }) = first;
        compact.reason = Reason::from_number(rest as u16)?;
        compact.class = Class::from_number((rest >> 16) as u8)?;
        compact.replayed = rest >> 24 != 0;
        Some(compact)
    }
}

#[cfg(test)]
mod tests {
    use erlmcp_record::operations::OperationId;

    use super::*;

    #[test]
    fn nothing_that_rules_need_is_lost() {
        for event in Event::ALL.into_iter().filter(|event| *event != Event::End) {
            let mut record = OperationRecord::new(event, OperationId(7 << 90 | 5), 0);
            record.epoch = 9;
            if event.is_stores() {
                (record.hash, record.fingerprint, record.principal) = (1, 2, 3);
            } else {
                (record.attempt, record.nonce, record.replayed) = (2, 4, true);
                (record.reason, record.class) = (Reason::Unmarked, Class::Transactional);
                *(if event == Event::Invoke { &mut record.fingerprint } else { &mut record.hash }) = 6;
            }
            let compact = Compact::of(&record, 300, event.is_stores());
            assert_eq!(Compact::decode(&compact.encode()), Some(compact));
        }
    }
}
