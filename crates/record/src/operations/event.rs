/// What a record says. The numbers are those of the files and never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Event {
    /// A client is about to send an attempt.
    Invoke = 1,
    /// The last byte of the attempt has left.
    SentAll = 2,
    /// The attempt was answered with a result.
    Ok = 3,
    /// The attempt certainly did nothing: `reason` says why.
    Fail = 4,
    /// What the attempt did is not known: `reason` says why.
    Info = 5,
    /// The store was asked and has settled the operation: `reason` is the state.
    Resolved = 6,
    /// A replica has claimed the operation.
    Accepted = 16,
    /// Its handler was started.
    Started = 17,
    /// Its result is stored.
    Done = 18,
    Cancelled = 19,
    Expired = 20,
    /// Settled as one that never was and never will be.
    Never = 21,
    /// Its effect is outside the store, and may or may not have been.
    Indeterminate = 22,
    /// The claim's epoch may not write any more. Without an operation: nothing of that epoch may.
    Fenced = 23,
    /// The effect log has it.
    Effect = 24,
    /// The last record of a journal that ended in order.
    End = 64,
}

impl Event {
    pub const ALL: [Event; 16] = [
        Event::Invoke,
        Event::SentAll,
        Event::Ok,
        Event::Fail,
        Event::Info,
        Event::Resolved,
        Event::Accepted,
        Event::Started,
        Event::Done,
        Event::Cancelled,
        Event::Expired,
        Event::Never,
        Event::Indeterminate,
        Event::Fenced,
        Event::Effect,
        Event::End,
    ];

    pub fn from_number(number: u8) -> Option<Self> {
        const KNOWN: [Option<Event>; 256] = {
            let (mut known, mut at) = ([None; 256], 0);
            while at < Event::ALL.len() {
                known[Event::ALL[at] as usize] = Some(Event::ALL[at]);
                at += 1;
            }
            known
        };
        KNOWN[usize::from(number)]
    }

    /// True where it is the store's to say.
    pub fn is_stores(self) -> bool {
        (Event::Accepted..=Event::Effect).contains(&self)
    }

    /// The name in the store's export and in witnesses.
    pub fn name(self) -> &'static str {
        match self {
            Event::Invoke => "invoke",
            Event::SentAll => "sent_all",
            Event::Ok => "ok",
            Event::Fail => "fail",
            Event::Info => "info",
            Event::Resolved => "resolved",
            Event::Accepted => "accepted",
            Event::Started => "started",
            Event::Done => "done",
            Event::Cancelled => "cancelled",
            Event::Expired => "expired",
            Event::Never => "never",
            Event::Indeterminate => "indeterminate",
            Event::Fenced => "fenced",
            Event::Effect => "effect",
            Event::End => "end",
        }
    }
}

/// Why an attempt ended as it did, or how an operation was settled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum Reason {
    #[default]
    None = 0,
    // Of a fail.
    ConnectRefused = 1,
    /// Not one byte was sent.
    NotSent = 2,
    /// 503 or 429 with `executed: false`, for want of room in the queue as far as is known.
    Refused = 3,
    /// 409: another attempt of it is running.
    Running = 4,
    /// 422: the id belongs to another payload.
    OtherPayload = 5,
    /// Another 4xx, before it was dispatched.
    BadRequest = 6,
    /// 410: it was settled before.
    Settled = 7,
    /// The same as `Refused`, and by its `scope` not the queue's doing: the store's, or that of a principal's share.
    RefusedElsewhere = 8,
    // Of an info.
    Reset = 16,
    TimedOut = 17,
    /// The connection was closed in order before the whole answer.
    Closed = 18,
    /// A 5xx that does not say whether it was executed.
    Unmarked = 19,
    /// An answer that is none to this request.
    NotAnAnswer = 20,
    /// A JSON-RPC error that does not say whether it was executed.
    RpcError = 21,
    // Of a resolved.
    Done = 32,
    Never = 33,
    Cancelled = 34,
    Expired = 35,
    Indeterminate = 36,
}

impl Reason {
    pub const ALL: [Reason; 20] = [
        Reason::None,
        Reason::ConnectRefused,
        Reason::NotSent,
        Reason::Refused,
        Reason::Running,
        Reason::OtherPayload,
        Reason::BadRequest,
        Reason::Settled,
        Reason::RefusedElsewhere,
        Reason::Reset,
        Reason::TimedOut,
        Reason::Closed,
        Reason::Unmarked,
        Reason::NotAnAnswer,
        Reason::RpcError,
        Reason::Done,
        Reason::Never,
        Reason::Cancelled,
        Reason::Expired,
        Reason::Indeterminate,
    ];

    pub fn from_number(number: u16) -> Option<Self> {
        const KNOWN: [Option<Reason>; 64] = {
            let (mut known, mut at) = ([None; 64], 0);
            while at < Reason::ALL.len() {
                known[Reason::ALL[at] as usize] = Some(Reason::ALL[at]);
                at += 1;
            }
            known
        };
        KNOWN.get(usize::from(number)).copied().flatten()
    }

    /// In words, as a witness says it.
    pub fn words(self) -> &'static str {
        match self {
            Reason::None => "",
            Reason::ConnectRefused => "connect refused",
            Reason::NotSent => "not one byte was sent",
            Reason::Refused => "refused, not executed",
            Reason::Running => "another attempt is running",
            Reason::OtherPayload => "the id belongs to another payload",
            Reason::BadRequest => "refused as a bad request",
            Reason::Settled => "settled before",
            Reason::RefusedElsewhere => "refused by the store or for a share, not executed",
            Reason::Reset => "connection reset",
            Reason::TimedOut => "no answer within the timeout",
            Reason::Closed => "connection closed before the whole answer",
            Reason::Unmarked => "a 5xx that does not say whether it was executed",
            Reason::NotAnAnswer => "an answer that is none to this request",
            Reason::RpcError => "an error that does not say whether it was executed",
            Reason::Done => "done",
            Reason::Never => "never",
            Reason::Cancelled => "cancelled",
            Reason::Expired => "expired",
            Reason::Indeterminate => "indeterminate",
        }
    }
}

/// How often an operation's effect may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Class {
    #[default]
    Unknown = 0,
    /// Has no effect.
    Pure = 1,
    /// As often as one likes.
    Idempotent = 2,
    /// At most once; the effect is outside the store.
    Once = 3,
    /// Exactly once: effect and result are one transaction of the store, and its effect log has it.
    Transactional = 4,
}

impl Class {
    pub const ALL: [Class; 5] = [Class::Unknown, Class::Pure, Class::Idempotent, Class::Once, Class::Transactional];

    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    pub fn name(self) -> &'static str {
        match self {
            Class::Unknown => "unknown",
            Class::Pure => "pure",
            Class::Idempotent => "idempotent",
            Class::Once => "once",
            Class::Transactional => "transactional",
        }
    }
}
