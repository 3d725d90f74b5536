//! Eight bugs to prove the audit with. They are in no build that has not asked for the feature `seeded-bugs`, and then one
//! of them is at work where ERLMCP_SEEDED_BUG names its letter.

/// The bugs, as they are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// a: answers before the result is written.
    AnswersEarly,
    /// b: does not write some results.
    DropsResults,
    /// c: runs what is done once more.
    RunsTwice,
    /// d: answers with another operation's result.
    SwapsAnswers,
    /// e: says "never" without writing it.
    ForgetsNever,
    /// f: takes a result of an epoch that is fenced.
    WritesFenced,
    /// g: refuses without a word on whether it was executed.
    ShedsSilently,
    /// h: cuts good records off: the export lacks some results.
    CutsRecords,
}

impl Bug {
    /// True where this bug is at work now.
    #[cfg(not(feature = "seeded-bugs"))]
    pub(crate) const fn strikes(self) -> bool {
        false
    }

    /// True where this bug is at work now: those that spoil one of many do so every so many times.
    #[cfg(feature = "seeded-bugs")]
    pub(crate) fn strikes(self) -> bool {
        use std::sync::OnceLock;
        use std::sync::atomic::{AtomicU64, Ordering};
        const EVERY: u64 = 97;
        static CHOSEN: OnceLock<Option<Bug>> = OnceLock::new();
        static TIMES: AtomicU64 = AtomicU64::new(0);
        let all = [
            Self::AnswersEarly,
            Self::DropsResults,
            Self::RunsTwice,
            Self::SwapsAnswers,
            Self::ForgetsNever,
            Self::WritesFenced,
            Self::ShedsSilently,
            Self::CutsRecords,
        ];
        let chosen = CHOSEN.get_or_init(|| {
            let letter = std::env::var("ERLMCP_SEEDED_BUG").ok()?;
            all.into_iter().zip("abcdefgh".chars()).find(|(_, known)| letter == known.to_string()).map(|(bug, _)| bug)
        });
        let is_rare = matches!(self, Self::DropsResults | Self::SwapsAnswers | Self::CutsRecords);
        *chosen == Some(self) && (!is_rare || TIMES.fetch_add(1, Ordering::Relaxed) % EVERY == EVERY - 1)
    }
}
