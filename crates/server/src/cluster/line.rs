//! Messages as JSON, one a line, with a bound on the line.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Reads the next line into `line`; false at the end of the stream. Can be dropped and called again with the same
/// `line` as long as it has not returned.
///
/// # Errors
/// Where the line is longer than `bytes_max`, or not whole when the stream ends.
pub(super) async fn read_line(
    from: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
    bytes_max: usize,
) -> io::Result<bool> {
    let room = (bytes_max + 1).saturating_sub(line.len()) as u64;
    (&mut *from).take(room).read_until(b'\n', line).await?;
    match line.last() {
        None => Ok(false),
        Some(b'\n') => Ok(true),
        Some(_) if line.len() > bytes_max => Err(io::Error::new(io::ErrorKind::InvalidData, "a message is too long")),
        Some(_) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

pub(super) fn parse<T: DeserializeOwned>(line: &[u8]) -> io::Result<T> {
    serde_json::from_slice(line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The same for a message that a later version may have added: none for JSON that this one has no name for.
pub(super) fn parse_known<T: DeserializeOwned>(line: &[u8]) -> io::Result<Option<T>> {
    match serde_json::from_slice(line) {
        Ok(message) => Ok(Some(message)),
        Err(error) if error.is_data() => {
            tracing::warn!("a message of another version is passed over: {error}");
            Ok(None)
        }
        Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
    }
}

pub(super) fn to_line(message: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("messages are plain data with string keys");
    line.push(b'\n');
    line
}

pub(super) async fn write(to: &mut (impl AsyncWrite + Unpin), message: &impl Serialize) -> io::Result<()> {
    to.write_all(&to_line(message)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], bytes_max: usize) -> Vec<io::Result<bool>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without IO");
        runtime.block_on(async {
            let mut from = tokio::io::BufReader::with_capacity(3, text);
            let mut results = Vec::new();
            loop {
                let mut line = Vec::new();
                let result = read_line(&mut from, &mut line, bytes_max).await;
                let goes_on = matches!(result, Ok(true));
                results.push(result);
                if !goes_on {
                    return results;
                }
            }
        })
    }

    #[test]
    fn what_a_later_version_says_is_passed_over_and_nonsense_is_not() {
        use crate::cluster::messages::{FromReplica, ToReplica};
        assert!(matches!(parse_known::<FromReplica>(b"\"beat\""), Ok(Some(FromReplica::Beat))));
        for later in [&b"\"slept\""[..], b"{\"moved\":{\"to\":3}}", b"{\"drained\":{}}"] {
            assert!(matches!(parse_known::<FromReplica>(later), Ok(None)));
        }
        let more =
            parse_known::<ToReplica>(b"{\"sessions_ended\":{\"batch\":1,\"floor\":2,\"ended\":[],\"why\":null}}");
        assert!(matches!(more, Ok(Some(ToReplica::SessionsEnded { batch: 1, floor: 2, .. }))));
        assert!(parse_known::<FromReplica>(b"listening on 127.0.0.1").is_err());
    }

    #[test]
    fn lines_are_bounded_and_whole() {
        assert!(matches!(read(b"abc\n\n", 4)[..], [Ok(true), Ok(true), Ok(false)]));
        assert!(matches!(&read(b"abcde\n", 4)[..], [Err(error)] if error.kind() == io::ErrorKind::InvalidData));
        assert!(matches!(&read(b"abc", 4)[..], [Err(error)] if error.kind() == io::ErrorKind::UnexpectedEof));
    }
}
