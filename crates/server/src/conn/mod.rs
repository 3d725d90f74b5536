//! A connection, and what a shard keeps connections in.

pub(crate) mod buffers;
pub(crate) mod slab;
pub(crate) mod wheel;

use erlmcp_protocol::http::chunked::Chunked;
use tokio::sync::OwnedSemaphorePermit;

use crate::entry::StreamPlace;
use crate::metrics::counters::{ConnectionKind, Method};
use crate::session::{Push, Session};
use crate::telemetry::Trace;
use crate::tools::Cancellation;
use buffers::Buffer;
use slab::ChunkedSlab;
use wheel::{Link, Links};

/// What a connection's next bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A request, or more of one whose head is not whole.
    Head,
    /// More of a request that is whole when there are so many bytes.
    Body { need: u32 },
    /// More of a body in chunks; the task is an upload.
    Chunks,
    /// So many bytes of a body that nobody wants.
    Discard { left: u32 },
    /// Not read: a call or a stream has the connection.
    Busy,
    /// Thrown away, at most so many bytes: the connection ends.
    Linger { left: u32 },
}

/// What goes on on a connection beyond reading and writing.
#[derive(Debug)]
pub(crate) enum Task {
    None,
    Upload(Box<Upload>),
    Call(Box<Call>),
    Stream(Box<Stream>),
}

impl Task {
    /// The answer is a stream that has begun.
    pub(crate) fn streams(&self) -> bool {
        match self {
            Self::Stream(_) => true,
            Self::Call(call) => call.streams,
            Self::None | Self::Upload(_) => false,
        }
    }

    /// When a stream ends by itself, seconds since 1970: with its session, and with the token that asked for it.
    pub(crate) fn until_s(&self) -> u64 {
        let Self::Stream(stream) = self else { return u64::MAX };
        let session_s = stream.push.as_ref().map_or(u64::MAX, |push| push.session.expires);
        stream.place.as_ref().map_or(session_s, |place| place.until_s.min(session_s))
    }

    /// Of a GET stream.
    pub(crate) fn session(&self) -> Option<&Session> {
        match self {
            Self::Stream(stream) => stream.push.as_ref().map(|push| &push.session),
            Self::None | Self::Upload(_) | Self::Call(_) => None,
        }
    }
}

/// A body that comes in chunks and more than one read. The input buffer holds the head and what was decoded so far.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) decoder: Chunked,
    pub(crate) head_length: usize,
}

/// A call that a worker answers.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Something was said before the answer, which made a stream of it.
    pub(crate) streams: bool,
    pub(crate) cancellation: Cancellation,
    /// When the request was read, ns.
    pub(crate) began_ns: u64,
    /// The connection ends after the answer.
    pub(crate) closes: bool,
    /// Of the older era: a client that goes does not take its call with it.
    pub(crate) outlives: bool,
    pub(crate) trace: Trace,
    /// Of an answer that another replica makes: the next piece may come when this is given back.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

impl Call {
    /// One whose client goes with it, and to which nothing was said yet.
    pub(crate) fn waiting(method: Method, cancellation: Cancellation, began_ns: u64, closes: bool) -> Self {
        let (streams, outlives, trace, room) = (false, false, Trace::default(), None);
        Self { method, streams, cancellation, began_ns, closes, outlives, trace, room }
    }
}

/// A subscription stream.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The request's id as JSON text.
    pub(crate) id: Box<[u8]>,
    /// One bit a [`crate::engine::Change`] that was asked for.
    pub(crate) wanted: u32,
    /// Of these, what came while the client was behind.
    pub(crate) owed: u32,
    /// Of the older era: the session that it belongs to.
    pub(crate) push: Option<Push>,
    /// Resources that were asked for.
    pub(crate) resources: Box<[Watched]>,
    /// Where streams are counted by principals.
    pub(crate) place: Option<StreamPlace>,
}

/// A resource that a stream tells of.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) uri: Box<str>,
    /// It is not what it was, and the client was not told.
    pub(crate) is_owed: bool,
}

impl Stream {
    /// Watches these resources from now on; what the client is owed of others is owed no more.
    pub(crate) fn watch(&mut self, uris: Vec<Box<str>>) {
        let owed = |uri: &str| self.resources.iter().any(|watched| watched.is_owed && *watched.uri == *uri);
        self.resources = uris.into_iter().map(|uri| Watched { is_owed: owed(&uri), uri }).collect();
    }

    pub(crate) fn is_owed(&self) -> bool {
        self.owed != 0 || self.resources.iter().any(|watched| watched.is_owed)
    }
}

/// A connection. It holds no buffer while nothing is unfinished.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    pub(crate) stream: S,
    pub(crate) generation: u32,
    link: Link,
    /// When the wheel looks at it, in ticks; `u32::MAX`: never.
    pub(crate) look: u32,
    /// When its patience ends, in ticks; `u32::MAX`: never.
    pub(crate) deadline: u32,
    /// A request that is not whole, or requests behind one that is being answered.
    pub(crate) input: Option<Box<Buffer>>,
    /// Answers that the kernel did not take yet.
    pub(crate) output: Option<Box<Buffer>>,
    pub(crate) task: Task,
    pub(crate) reading: Reading,
    pub(crate) kind: ConnectionKind,
    pub(crate) listener: u8,
    /// The connection ends when its output is out.
    pub(crate) closes: bool,
    /// The peer sends nothing more.
    pub(crate) peer_closed: bool,
    /// The kernel may hold bytes that were not read yet.
    pub(crate) unread: bool,
    /// The kernel has told that the peer sends nothing more; it was not read yet.
    pub(crate) ended: bool,
    /// It was above the limit.
    pub(crate) refused: bool,
    /// "100 Continue" was sent for the request that is being read.
    pub(crate) continued: bool,
}

impl<S> Connection<S> {
    pub(crate) fn new(stream: S, generation: u32, listener: u8) -> Self {
        Self {
            stream,
            generation,
            link: Link::default(),
            look: u32::MAX,
            deadline: u32::MAX,
            input: None,
            output: None,
            task: Task::None,
            reading: Reading::Head,
            kind: ConnectionKind::New,
            listener,
            closes: false,
            peer_closed: false,
            unread: false,
            ended: false,
            refused: false,
            continued: false,
        }
    }

    /// Between two requests, with nothing left to do. One above the limit ends by itself.
    pub(crate) fn is_idle(&self) -> bool {
        let has_nothing = self.input.is_none() && self.output.is_none();
        self.reading == Reading::Head && has_nothing && !self.closes && !self.refused
    }

    /// In the modern era a client that sends nothing more takes its request with it. A call of a session goes on: its client
    /// may have closed one direction only, and where it has a stream it may come back to that.
    pub(crate) fn ends_with_its_client(&self) -> bool {
        self.reading == Reading::Busy && !matches!(&self.task, Task::Call(call) if call.outlives && !call.streams)
    }

    /// Bytes are taken from the kernel: not while a request has the connection, nor while answers wait for the client.
    pub(crate) fn may_read(&self) -> bool {
        self.reading != Reading::Busy && self.output.is_none() && !self.peer_closed
    }
}

impl<S> Links for ChunkedSlab<Connection<S>> {
    fn link(&mut self, key: u32) -> &mut Link {
        &mut self.get_mut(key).expect("what is in the wheel is in the table").link
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_small() {
        assert!(size_of::<Option<Connection<crate::shard::Link>>>() <= 88);
    }
}
