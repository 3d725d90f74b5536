//! The lines of a file from outside.

use std::io::{self, BufRead, Read};

/// Bytes of a line, at most.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Reads line by line, and no more of a line that is too long than is needed to say so.
pub(super) struct Lines<R> {
    from: R,
    line_max: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn of(from: R) -> Self {
        Self { from, line_max: LINE_BYTES_MAX }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = String::new();
        match Read::by_ref(&mut self.from).take(self.line_max + 1).read_line(&mut line) {
            Ok(0) => None,
            Ok(read) if read as u64 > self.line_max => {
                Some(Err(io::Error::other(format!("the line has more than {} bytes", self.line_max))))
            }
            Ok(_) => {
                line.truncate(line.trim_end_matches(['\n', '\r']).len());
                Some(Ok(line))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_end_is_not_read_whole() {
        let endless = io::BufReader::new(io::repeat(b'x'));
        let mut lines = Lines { from: endless, line_max: 100 };
        let error = lines.next().expect("something").expect_err("too long");
        assert!(error.to_string().contains("more than 100 bytes"), "{error}");
    }

    #[test]
    fn lines_come_without_their_ends() {
        let lines = Lines { from: "one\r\n\nthree".as_bytes(), line_max: 5 };
        assert_eq!(lines.map(Result::unwrap).collect::<Vec<_>>(), ["one", "", "three"]);
    }
}
