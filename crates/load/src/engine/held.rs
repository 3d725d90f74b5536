//! What partly read answers hold of memory, of all connections together: a server that stalls in many large ones gets no more.

use crate::wire::Reading;

/// Bytes that one of them may hold however much the others do, and that are kept for the next one.
pub(super) const SHARE_BYTES: usize = 64 * 1024;

/// See the module. Whatever is in a connection's place was put there by it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) bytes: usize,
    pub(super) bytes_max: usize,
}

impl Default for Held {
    fn default() -> Self {
        Self { bytes: 0, bytes_max: 256 * 1024 * 1024 }
    }
}

impl Held {
    /// Takes the answer out of its connection's place, to be read on.
    pub(super) fn take(&mut self, place: &mut Option<Box<Reading>>) -> Option<Box<Reading>> {
        let reading = place.take()?;
        self.bytes -= reading.bytes();
        Some(reading)
    }

    pub(super) fn put(&mut self, reading: Box<Reading>, place: &mut Option<Box<Reading>>) {
        self.bytes += reading.bytes();
        *place = Some(reading);
    }

    pub(super) fn has_room_for(&self, reading: &Reading) -> bool {
        let bytes = reading.bytes();
        bytes <= SHARE_BYTES || self.bytes + bytes <= self.bytes_max
    }
}
