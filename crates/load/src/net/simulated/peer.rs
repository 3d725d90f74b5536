//! What servers do.

/// What a server does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    Good,
    ToolError,
    RpcError,
    Http500,
    /// 404: the session is not known.
    Forgotten,
    InputRequired,
    /// 503, not executed, try again after so many milliseconds.
    Refuse(u64),
    WrongId,
    Twice,
    Never,
    Close,
    Reset,
    HalfThenClose,
    EmptyThenGood,
    /// Asks for input in so many rounds.
    Rounds(u8),
    /// Asks so much on its stream, and responds when all of it was answered.
    Asks(u8),
    /// Ends its stream before the response, which comes to a GET after so many milliseconds.
    Resumes(u64),
    /// Responds on a stream that it does not end.
    LeavesOpen,
    NotHttp,
    GoodThenClose,
    /// The answer and the end of the connection come together.
    GoodAndClose,
    /// An answer with `Connection: close`.
    GoodAndLast,
    /// An answer with `Keep-Alive: timeout` of so many seconds.
    GoodAndKept(u16),
    /// A stream of comments, as many as are read.
    Endless,
    /// The first so many bytes of a large answer, and then nothing.
    Stalls(usize),
}

/// What a server does with a stream of notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listens {
    Well,
    /// Has none: HTTP 405.
    No,
    /// Knows no such method: HTTP 404, and an error that says so.
    NoMethod,
    /// Begins the stream and says nothing.
    Unacknowledged,
    /// Ends it with its result as soon as it was acknowledged.
    AtOnceOver,
    /// Of the legacy era: ends it at once, to be gone on with after so many milliseconds.
    Retries(u64),
    Silent,
    Closes,
}

/// One server.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Each as likely as the others.
    pub(crate) replies: Vec<Reply>,
    /// From connect to established.
    pub(crate) established_us: u64,
    pub(crate) latency_us: u64,
    /// What a tool takes beyond that.
    pub(crate) tool_us: u64,
    /// The same for the queued tool.
    pub(crate) queued_us: u64,
    /// Nobody listens.
    pub(crate) refuses: bool,
    /// Packets are dropped.
    pub(crate) cut: bool,
    pub(crate) accepts_max: usize,
    /// Connections without a request for so long are closed in order.
    pub(crate) idle_us: Option<u64>,
    /// A legacy server: whoever has no session of this generation gets 404, after a handshake one.
    pub(crate) sessions: Option<u32>,
    /// Answers to what it asks are refused.
    pub(crate) refuses_answers: bool,
    pub(crate) listens: Listens,
    /// What streams say comes in pieces of so many bytes.
    pub(crate) pieces: usize,
}

impl Peer {
    pub(crate) fn with(replies: &[Reply]) -> Self {
        Self {
            replies: replies.to_vec(),
            established_us: 50,
            latency_us: 300,
            tool_us: 0,
            queued_us: 0,
            refuses: false,
            cut: false,
            accepts_max: usize::MAX,
            idle_us: None,
            sessions: None,
            refuses_answers: false,
            listens: Listens::Well,
            pieces: usize::MAX,
        }
    }

    pub(crate) fn good() -> Self {
        Self::with(&[Reply::Good])
    }
}
