//! What a replica and the store say to each other: frames of a length, a number, a kind, and fields.

use super::heart::{Abandoned, Class, Command, Key, Outcome, Settled};
use super::keeper::Reply;
use super::table::Incarnation;

/// The longest frame.
pub(crate) const FRAME_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// The longest result, and the longest effect: a frame has one of each, and 64 KiB for the rest.
pub(crate) const CONTENT_BYTES_MAX: usize = (FRAME_BYTES_MAX - 64 * 1_024) / 2;
/// Before a frame's fields: its length (of what follows), its number, its kind.
const HEAD: usize = 4 + 8 + 1;

/// What a replica says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ToStore {
    /// The first frame.
    Hello(Incarnation),
    Do(Command),
}

/// What the store says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FromStore {
    /// The answer to the first frame: the epoch.
    Welcome(u64),
    /// A later incarnation has taken this one's place.
    Superseded,
    /// The store is in trouble, and nobody knows what was written.
    Unavailable,
    Done(Reply),
}

/// Bytes that are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what came through the store's socket is not understood")]
pub(crate) struct Malformed;

/// What was to be said does not fit into a frame. Nothing of it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is longer than what can go through the store's socket")]
pub(crate) struct TooLong;

struct Put<'a>(&'a mut Vec<u8>);

impl Put<'_> {
    fn u16(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn key(&mut self, key: &Key) {
        self.bytes(key.principal.as_bytes());
        self.bytes(key.operation.as_bytes());
    }
}

struct Take<'a>(&'a [u8]);

impl<'a> Take<'a> {
    fn some(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (some, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(some)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.some(N)?.try_into().map_err(|_| Malformed)
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(|[byte]: [u8; 1]| byte)
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.array().map(u32::from_le_bytes)?;
        self.some(length as usize)
    }

    fn text(&mut self) -> Result<Box<str>, Malformed> {
        std::str::from_utf8(self.bytes()?).map(Into::into).map_err(|_| Malformed)
    }

    fn key(&mut self) -> Result<Key, Malformed> {
        Ok(Key { principal: self.text()?, operation: self.text()? })
    }
}

/// Writes a frame.
fn frame(out: &mut Vec<u8>, number: u64, kind: u8, fields: impl FnOnce(&mut Put<'_>)) -> Result<(), TooLong> {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&number.to_le_bytes());
    out.push(kind);
    fields(&mut Put(out));
    let whole = out.len() - at;
    let length = u32::try_from(whole - 4).ok().filter(|_| whole <= FRAME_BYTES_MAX);
    let Some(length) = length else {
        out.truncate(at);
        return Err(TooLong);
    };
    out[at..at + 4].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// The first frame of `bytes`: how many bytes it takes, its number, its kind and its fields. None while it is not whole.
fn unframe(bytes: &[u8]) -> Result<Option<(usize, u64, u8, Take<'_>)>, Malformed> {
    let mut take = Take(bytes);
    let Ok(length) = take.array().map(u32::from_le_bytes) else { return Ok(None) };
    let whole = 4 + length as usize;
    if !(HEAD..=FRAME_BYTES_MAX).contains(&whole) {
        return Err(Malformed);
    }
    let Some(frame) = bytes.get(4..whole) else { return Ok(None) };
    let mut take = Take(frame);
    Ok(Some((whole, take.u64()?, take.u8()?, take)))
}

impl ToStore {
    pub(crate) fn write(&self, out: &mut Vec<u8>, number: u64) -> Result<(), TooLong> {
        match self {
            Self::Hello(Incarnation { base, replica, number: life }) => frame(out, number, 0, |put| {
                put.u64(*base);
                put.u16(*replica);
                put.u64(*life);
            }),
            Self::Do(command) => write_command(out, number, command),
        }
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Option<(usize, u64, Self)>, Malformed> {
        let Some((used, number, kind, mut take)) = unframe(bytes)? else { return Ok(None) };
        let said = if kind == 0 {
            Self::Hello(Incarnation { base: take.u64()?, replica: take.u16()?, number: take.u64()? })
        } else {
            Self::Do(read_command(kind, &mut take)?)
        };
        Ok(Some((used, number, said)))
    }
}

pub(crate) fn write_command(out: &mut Vec<u8>, number: u64, command: &Command) -> Result<(), TooLong> {
    match command {
        Command::Claim { key, ticket, class, fingerprint } => frame(out, number, 1, |put| {
            put.key(key);
            put.u64(*ticket);
            put.0.push(class.code());
            put.0.extend_from_slice(fingerprint);
        }),
        Command::Finish { key, ticket, hash, result, effect } => frame(out, number, 2, |put| {
            put.key(key);
            put.u64(*ticket);
            put.u64(*hash);
            put.bytes(result);
            put.0.push(u8::from(effect.is_some()));
            put.bytes(effect.as_deref().unwrap_or_default().as_bytes());
        }),
        Command::Abandon { key, ticket, how } => frame(out, number, 3, |put| {
            put.key(key);
            put.u64(*ticket);
            put.0.push(how.code());
        }),
        Command::Ask { key, settle } => frame(out, number, 4, |put| {
            put.key(key);
            put.0.push(u8::from(*settle));
        }),
    }
}

fn read_command(kind: u8, take: &mut Take<'_>) -> Result<Command, Malformed> {
    let key = take.key()?;
    Ok(match kind {
        1 => {
            let (ticket, class) = (take.u64()?, take.u8()?);
            let class = Class::from_code(class).ok_or(Malformed)?;
            Command::Claim { key, ticket, class, fingerprint: take.array()? }
        }
        2 => {
            let (ticket, hash, result) = (take.u64()?, take.u64()?, take.bytes()?.into());
            let has_effect = take.u8()? != 0;
            let effect = take.text()?;
            Command::Finish { key, ticket, hash, result, effect: has_effect.then_some(effect) }
        }
        3 => {
            let (ticket, how) = (take.u64()?, take.u8()?);
            let how = Abandoned::from_code(how).ok_or(Malformed)?;
            Command::Abandon { key, ticket, how }
        }
        4 => Command::Ask { key, settle: take.u8()? != 0 },
        _ => return Err(Malformed),
    })
}

impl FromStore {
    pub(crate) fn write(&self, out: &mut Vec<u8>, number: u64) -> Result<(), TooLong> {
        match self {
            Self::Welcome(epoch) => frame(out, number, 0, |put| put.u64(*epoch)),
            Self::Superseded => frame(out, number, 1, |_| ()),
            Self::Unavailable => frame(out, number, 2, |_| ()),
            Self::Done(reply) => write_reply(out, number, reply),
        }
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Option<(usize, u64, Self)>, Malformed> {
        let Some((used, number, kind, mut take)) = unframe(bytes)? else { return Ok(None) };
        let said = match kind {
            0 => Self::Welcome(take.u64()?),
            1 => Self::Superseded,
            2 => Self::Unavailable,
            kind => Self::Done(read_reply(kind, &mut take)?),
        };
        Ok(Some((used, number, said)))
    }
}

fn write_reply(out: &mut Vec<u8>, number: u64, reply: &Reply) -> Result<(), TooLong> {
    let plain = |out: &mut Vec<u8>, kind| frame(out, number, kind, |_| ());
    match reply.outcome {
        Outcome::Granted => plain(out, 3),
        Outcome::Done { epoch, .. } => frame(out, number, 4, |put| {
            put.u64(epoch);
            put.0.push(u8::from(reply.result.is_some()));
            put.bytes(reply.result.as_deref().unwrap_or_default());
        }),
        Outcome::Running { epoch } => frame(out, number, 5, |put| put.u64(epoch)),
        Outcome::Mismatch => plain(out, 6),
        Outcome::Settled(settled) => frame(out, number, 7, |put| {
            put.0.push(match settled {
                Settled::Never => 0,
                Settled::Cancelled => 1,
                Settled::Expired { executed: false } => 2,
                Settled::Expired { executed: true } => 3,
                Settled::Indeterminate => 4,
            });
        }),
        Outcome::Open => plain(out, 8),
        Outcome::Stored => plain(out, 9),
        Outcome::Ended => plain(out, 10),
        Outcome::Fenced => plain(out, 11),
        // The first version has one word for both, and to who asks they are one.
        Outcome::Full | Outcome::NotWritten => plain(out, 12),
    }
}

fn read_reply(kind: u8, take: &mut Take<'_>) -> Result<Reply, Malformed> {
    let outcome = match kind {
        3 => Outcome::Granted,
        4 => {
            let (epoch, has_result) = (take.u64()?, take.u8()? != 0);
            let result = take.bytes()?.into();
            // The row is the store's own matter.
            return Ok(Reply { outcome: Outcome::Done { epoch, row: 0 }, result: has_result.then_some(result) });
        }
        5 => Outcome::Running { epoch: take.u64()? },
        6 => Outcome::Mismatch,
        7 => Outcome::Settled(match take.u8()? {
            0 => Settled::Never,
            1 => Settled::Cancelled,
            2 => Settled::Expired { executed: false },
            3 => Settled::Expired { executed: true },
            4 => Settled::Indeterminate,
            _ => return Err(Malformed),
        }),
        8 => Outcome::Open,
        9 => Outcome::Stored,
        10 => Outcome::Ended,
        11 => Outcome::Fenced,
        12 => Outcome::NotWritten,
        _ => return Err(Malformed),
    };
    Ok(Reply { outcome, result: None })
}

#[cfg(test)]
mod tests;
