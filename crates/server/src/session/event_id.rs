//! The ids of events: what a client that has lost a stream says, as `Last-Event-ID`, to go on behind it.

use std::fmt;

/// The process that a stream is of: a replica, in one of its lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) replica: u16,
    /// A number of its own for each life.
    pub(crate) life: u32,
}

/// An event's place. It says all that is needed to find the rest of its stream. It is no secret: a stream is only given
/// to the session that it is of, so that one that is made up gains nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventId {
    pub(crate) origin: Origin,
    /// The number of the stream.
    pub(crate) stream: u64,
    /// The event's own among those of the stream; 0 for the one that begins it.
    pub(crate) place: u64,
    /// Of a GET stream: the last change that its client has been told of.
    pub(crate) told: Option<u64>,
}

/// No id of ours is longer.
const TEXT_MAX: usize = 64;

impl EventId {
    /// None for what is not one of ours.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= TEXT_MAX)?;
        let mut parts = text.split('-').map(number);
        let origin = Origin { replica: parts.next()??.try_into().ok()?, life: parts.next()??.try_into().ok()? };
        let (stream, place) = (parts.next()??, parts.next()??);
        let told = match parts.next() {
            None => None,
            Some(told) => Some(told?),
        };
        parts.next().is_none().then_some(Self { origin, stream, place, told })
    }
}

/// As [`EventId`]s are written, and no other way.
fn number(part: &str) -> Option<u64> {
    let is_plain = part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    u64::from_str_radix(part, 16).ok().filter(|_| is_plain)
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, stream, place, told } = self;
        write!(f, "{:x}-{:x}-{stream:x}-{place:x}", origin.replica, origin.life)?;
        told.map_or(Ok(()), |told| write!(f, "-{told:x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written() {
        let origin = Origin { replica: 12, life: u32::MAX };
        for (told, text) in
            [(None, "c-ffffffff-ff-0"), (Some(0), "c-ffffffff-ff-0-0"), (Some(31), "c-ffffffff-ff-0-1f")]
        {
            let id = EventId { origin, stream: 255, place: 0, told };
            assert_eq!(id.to_string(), text);
            assert_eq!(EventId::parse(text.as_bytes()), Some(id));
        }
        let longest = EventId { origin, stream: u64::MAX, place: u64::MAX, told: Some(u64::MAX) };
        assert_eq!(EventId::parse(longest.to_string().as_bytes()), Some(longest));
    }

    #[test]
    fn what_is_no_id_of_ours_is_none() {
        for other in
            ["", "7", "1-2-3", "1-2-3-4-5-6", "1-2-3-", "1-2--4", "1-2-3-x", "1-2-3-+4", "1-2-3-A", "10000-1-1-1"]
        {
            assert_eq!(EventId::parse(other.as_bytes()), None, "{other}");
        }
        assert_eq!(EventId::parse(&[b'1'; 70]), None);
        assert_eq!(EventId::parse(b"1-2-3-\xff"), None);
    }
}
