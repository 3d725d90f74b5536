//! The decoder of chunked bodies: in whatever pieces a body comes, it is the same.

use erlmcp_protocol::http::chunked::{Chunk, ChunkError, Chunked};

use super::pieces;

const BODY_MAX: u64 = 1 << 16;

/// The body, and what is left behind it; None where it has not ended.
type Read = Result<Option<(Vec<u8>, usize)>, ChunkError>;

fn read(pieces: &[&[u8]]) -> Read {
    let mut chunked = Chunked::new(BODY_MAX);
    let mut body = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let mut left = *piece;
        loop {
            match chunked.decode(left)? {
                Chunk::Data { data, used } => {
                    assert!(!data.is_empty() && data.len() <= used, "data that is none");
                    body.extend_from_slice(data);
                    left = &left[used..];
                }
                Chunk::More => break,
                Chunk::End { used } => {
                    let later: usize = pieces[index + 1..].iter().map(|piece| piece.len()).sum();
                    assert_eq!(chunked.body_bytes(), body.len() as u64);
                    return Ok(Some((body, left.len() - used + later)));
                }
            }
        }
        assert!(body.len() as u64 <= BODY_MAX, "the limit does not hold");
    }
    Ok(None)
}

/// The first byte says how the rest is cut.
pub fn run(input: &[u8]) {
    let (whole, pieces) = pieces::cut(input);
    assert_eq!(read(&[whole]), read(&pieces));
}
