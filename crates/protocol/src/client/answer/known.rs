//! An answer that is the one before but for its id says the same: it is compared, and not read again.

/// Bytes of one at most.
const KNOWN_MAX: usize = 1_024;

/// The last message that said [`Ok`](super::Said::Ok).
#[derive(Debug, Default)]
pub(super) struct Known {
    text: Vec<u8>,
    /// Where its id is.
    id: std::ops::Range<usize>,
}

impl Known {
    /// Keeps a message whose id, written as JSON writes a whole number, begins there.
    pub(super) fn keep(&mut self, text: &[u8], id_at: usize) {
        self.text.clear();
        if text.len() <= KNOWN_MAX {
            self.text.extend_from_slice(text);
            let digits = text[id_at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            self.id = id_at..id_at + digits;
        }
    }

    /// True where it is the kept message with this id.
    pub(super) fn is(&self, text: &[u8], id: u64) -> bool {
        if self.text.is_empty() {
            return false;
        }
        let (before, after) = (&self.text[..self.id.start], &self.text[self.id.end..]);
        text.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).is_some_and(|digits| is_written(digits, id))
    }
}

/// True where these are the digits of the number, and no zero before them.
fn is_written(digits: &[u8], number: u64) -> bool {
    let mut left = number;
    for digit in digits.iter().rev() {
        if u64::from(digit.wrapping_sub(b'0')) != left % 10 {
            return false;
        }
        left /= 10;
    }
    left == 0 && (digits.len() == 1 || digits.first().is_some_and(|first| *first != b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = br#"{"jsonrpc":"2.0","id":17,"result":{"id":17}}"#;

    fn known() -> Known {
        let mut known = Known::default();
        known.keep(ANSWER, 22);
        known
    }

    fn with(id: &str) -> Vec<u8> {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"id":17}}}}"#).into_bytes()
    }

    #[test]
    fn only_the_id_may_differ_and_has_to_be_the_one_that_is_asked_for() {
        let known = known();
        for (id, number) in [("17", 17), ("0", 0), ("9", 9), ("18446744073709551615", u64::MAX)] {
            assert!(known.is(&with(id), number), "{id}");
            assert!(!known.is(&with(id), number ^ 1), "{id}");
        }
        for (id, number) in [("017", 17), ("00", 0), ("", 0), ("+7", 7), ("7.0", 7), ("\"7\"", 7), ("1:", 20)] {
            assert!(!known.is(&with(id), number), "{id}");
        }
    }

    #[test]
    fn no_other_byte_may_differ() {
        let known = known();
        for at in (0..ANSWER.len()).filter(|at| !(22..24).contains(at)) {
            let mut other = ANSWER.to_vec();
            other[at] ^= 1;
            assert!(!known.is(&other, 17), "{at}");
        }
        for length in 0..ANSWER.len() {
            assert!(!known.is(&ANSWER[..length], 17), "{length}");
        }
        assert!(!known.is(&[ANSWER, b" "].concat(), 17));
    }

    #[test]
    fn nothing_is_known_at_first_and_nothing_long() {
        let mut known = Known::default();
        assert!(!known.is(b"", 0) && !known.is(b"7", 7));
        known.keep(&[ANSWER, &[b' '; KNOWN_MAX]].concat(), 22);
        assert!(!known.is(ANSWER, 17));
    }
}
