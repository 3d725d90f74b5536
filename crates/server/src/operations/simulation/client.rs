//! What a client knows of its operation.

use crate::operations::course::Verdict;
use crate::operations::heart::{Class, Settled};

/// One operation of one client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) class: Class,
    /// Attempts without an end.
    pub(super) open: u64,
    pub(super) attempts: u64,
    /// An attempt ended without a word on what came of it.
    pub(super) is_unsure: bool,
    /// What it was told for good: "done" or how it was settled.
    pub(super) told: Option<String>,
    /// It asks for good, and tries no more.
    pub(super) asks: bool,
}

impl Client {
    pub(super) fn new(class: Class) -> Self {
        Self { class, open: 0, attempts: 0, is_unsure: false, told: None, asks: false }
    }

    fn tell(&mut self, what: String) {
        if let Some(before) = &self.told {
            assert_eq!(*before, what, "it was told two things for good");
        }
        self.told = Some(what);
    }

    pub(super) fn settled(&mut self, settled: Settled) {
        self.tell(settled.as_str().to_string());
    }

    pub(super) fn done(&mut self, result: &[u8], expected: &str) {
        assert_eq!(std::str::from_utf8(result), Ok(expected), "another operation's result");
        self.tell("done".to_string());
    }

    /// An attempt has its answer.
    pub(super) fn answered(&mut self, verdict: Verdict, expected: &str) {
        self.open -= 1;
        match verdict {
            Verdict::Fresh { result } | Verdict::Replayed { result, .. } => self.done(&result, expected),
            Verdict::Settled(settled) => self.settled(settled),
            Verdict::Mismatch => panic!("nobody has used the id for anything else"),
            // A definite no, for this attempt.
            Verdict::Running | Verdict::Refused => {}
            Verdict::Unknown | Verdict::AsItEnded | Verdict::Silent => self.is_unsure = true,
        }
    }

    /// An attempt ends without an answer.
    pub(super) fn cut(&mut self) {
        self.open -= 1;
        self.is_unsure = true;
    }
}
