//! Bytes of the header and of a record; all numbers are little-endian.
//!
//! ```text
//! header  0 "ERLMCPOP"  8 version u32  12 whose u32 (1 agent, 2 store)  16 agent u32  20 zeros  60 CRC32C of 0..60
//! record  0 CRC32C of 4..64   4 sequence u32, from 0   8 event u8   9 attempt u8 (store: 1 where the id is a stand-in)
//!        10 replica u16   12 reason u16, class u8, replayed u8 (store: principal u32)   16 operation u128
//!        32 at u64   40 first u64   48 second u64   56 epoch u64
//! first, second: invoke: fingerprint, nonce; ok and resolved: hash, nonce; store: hash, fingerprint;
//!                end: operations begun, operations settled (store: rows, 0)
//! ```

use super::{Class, Event, OperationId, Reason};

/// The version that this build writes and reads.
pub const OPERATIONS_VERSION: u32 = 1;
/// Of the header and of each record.
pub const RECORD_BYTES: usize = 64;

const MAGIC: &[u8; 8] = b"ERLMCPOP";

/// Whose journal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalOf {
    Agent(u32),
    Store,
}

/// One record. What its event does not have is zero or `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationRecord {
    pub event: Event,
    pub operation: OperationId,
    /// CLOCK_MONOTONIC, nanoseconds.
    pub at_ns: u64,
    /// A client's attempt, from 1.
    pub attempt: u8,
    /// That the client has addressed, or that has written to the store.
    pub replica: u16,
    pub reason: Reason,
    pub class: Class,
    /// The answer was a stored one.
    pub replayed: bool,
    /// First 8 bytes of the SHA-256 over method, tool and canonical params without `_meta`.
    pub fingerprint: u64,
    /// First 8 bytes of the SHA-256 of the result.
    pub hash: u64,
    /// Sent with an invoke; echoed by an ok or a resolved.
    pub nonce: u64,
    pub epoch: u64,
    /// A number that stands for the principal in the store.
    pub principal: u32,
    /// The id in the store is not one of an agent's: `operation` stands for it.
    pub is_stand_in: bool,
    /// Of an end: operations begun by an agent, or rows of the store.
    pub begun: u64,
    /// Of an agent's end: operations whose fate is known.
    pub settled: u64,
}

impl OperationRecord {
    /// A record in which only this is said.
    pub fn new(event: Event, operation: OperationId, at_ns: u64) -> Self {
        Self {
            event,
            operation,
            at_ns,
            attempt: 0,
            replica: 0,
            reason: Reason::None,
            class: Class::Unknown,
            replayed: false,
            fingerprint: 0,
            hash: 0,
            nonce: 0,
            epoch: 0,
            principal: 0,
            is_stand_in: false,
            begun: 0,
            settled: 0,
        }
    }

    fn pair(&self) -> (u64, u64) {
        match self.event {
            Event::Invoke => (self.fingerprint, self.nonce),
            Event::End => (self.begun, self.settled),
            event if event.is_stores() => (self.hash, self.fingerprint),
            _ => (self.hash, self.nonce),
        }
    }

    pub(super) fn encode(&self, sequence: u32) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        let (first, second) = self.pair();
        bytes[4..8].copy_from_slice(&sequence.to_le_bytes());
        bytes[8] = self.event as u8;
        bytes[10..12].copy_from_slice(&self.replica.to_le_bytes());
        if self.event.is_stores() {
            bytes[9] = u8::from(self.is_stand_in);
            bytes[12..16].copy_from_slice(&self.principal.to_le_bytes());
        } else {
            bytes[9] = self.attempt;
            bytes[12..14].copy_from_slice(&(self.reason as u16).to_le_bytes());
            bytes[14] = self.class as u8;
            bytes[15] = u8::from(self.replayed);
        }
        bytes[16..32].copy_from_slice(&self.operation.0.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.at_ns.to_le_bytes());
        bytes[40..48].copy_from_slice(&first.to_le_bytes());
        bytes[48..56].copy_from_slice(&second.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.epoch.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[4..]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The record and its sequence number; None where the bytes are not those of a record.
    pub(super) fn decode(bytes: &[u8; RECORD_BYTES]) -> Option<(u32, Self)> {
        if u32::from_le_bytes(part(bytes, 0)) != crc32c::crc32c(&bytes[4..]) {
            return None;
        }
        let event = Event::from_number(bytes[8])?;
        let mut record = Self::new(event, OperationId(u128::from_le_bytes(part(bytes, 16))), 0);
        record.at_ns = u64::from_le_bytes(part(bytes, 32));
        record.replica = u16::from_le_bytes(part(bytes, 10));
        record.epoch = u64::from_le_bytes(part(bytes, 56));
        let (first, second) = (u64::from_le_bytes(part(bytes, 40)), u64::from_le_bytes(part(bytes, 48)));
        if event.is_stores() {
            record.is_stand_in = bytes[9] != 0;
            record.principal = u32::from_le_bytes(part(bytes, 12));
            (record.hash, record.fingerprint) = (first, second);
        } else {
            record.attempt = bytes[9];
            record.reason = Reason::from_number(u16::from_le_bytes(part(bytes, 12)))?;
            record.class = Class::from_number(bytes[14])?;
            record.replayed = bytes[15] != 0;
            match event {
                Event::Invoke => (record.fingerprint, record.nonce) = (first, second),
                Event::End => (record.begun, record.settled) = (first, second),
                _ => (record.hash, record.nonce) = (first, second),
            }
        }
        Some((u32::from_le_bytes(part(bytes, 4)), record))
    }
}

fn part<const N: usize>(bytes: &[u8; RECORD_BYTES], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the slice has this length")
}

pub(super) fn header(of: JournalOf) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    let (whose, agent) = match of {
        JournalOf::Agent(agent) => (1u32, agent),
        JournalOf::Store => (2, 0),
    };
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&OPERATIONS_VERSION.to_le_bytes());
    bytes[12..16].copy_from_slice(&whose.to_le_bytes());
    bytes[16..20].copy_from_slice(&agent.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..60]);
    bytes[60..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// What is wrong with a header.
pub(super) enum BadHeader {
    TooNew(u32),
    Not(&'static str),
}

pub(super) fn read_header(bytes: &[u8; RECORD_BYTES]) -> Result<JournalOf, BadHeader> {
    if &bytes[..8] != MAGIC {
        return Err(BadHeader::Not("it does not begin like one"));
    }
    let version = u32::from_le_bytes(part(bytes, 8));
    if version > OPERATIONS_VERSION {
        return Err(BadHeader::TooNew(version));
    }
    if u32::from_le_bytes(part(bytes, 60)) != crc32c::crc32c(&bytes[..60]) {
        return Err(BadHeader::Not("its header is damaged"));
    }
    match u32::from_le_bytes(part(bytes, 12)) {
        1 => Ok(JournalOf::Agent(u32::from_le_bytes(part(bytes, 16)))),
        2 => Ok(JournalOf::Store),
        _ => Err(BadHeader::Not("its header names neither an agent nor the store")),
    }
}
