//! Ways in which a client may be wrong on purpose.

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misbehaviour {
    /// Half a request, then the connection is reset.
    CutInRequest,
    /// Half a request, then nothing more.
    HalfRequest,
    /// Calls again and again, and reads no answer.
    NeverReads,
    /// A call whose connection is gone before the answer.
    AbandonsCall,
    /// A method that no server has.
    UnknownMethod,
    /// A body that is not JSON.
    BadJson,
    /// A session that was never opened.
    WrongSession,
    /// Opens a session and goes away without ending it.
    NoDelete,
}

impl Misbehaviour {
    pub const ALL: [Self; 8] = [
        Self::CutInRequest,
        Self::HalfRequest,
        Self::NeverReads,
        Self::AbandonsCall,
        Self::UnknownMethod,
        Self::BadJson,
        Self::WrongSession,
        Self::NoDelete,
    ];

    /// As a workload and a record name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::CutInRequest => "cut_in_request",
            Self::HalfRequest => "half_request",
            Self::NeverReads => "never_reads",
            Self::AbandonsCall => "abandons_call",
            Self::UnknownMethod => "unknown_method",
            Self::BadJson => "bad_json",
            Self::WrongSession => "wrong_session",
            Self::NoDelete => "no_delete",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.name() == name)
    }
}
