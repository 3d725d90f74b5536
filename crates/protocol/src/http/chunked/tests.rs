use proptest::prelude::*;

use super::*;

const LIMIT: u64 = 1 << 20;

/// Body and what was left over of a whole input.
fn whole(input: &[u8]) -> Result<Option<(Vec<u8>, usize)>, ChunkError> {
    in_pieces(input, &[])
}

/// The same, given in pieces that end at `cuts`; None where it has not ended.
fn in_pieces(input: &[u8], cuts: &[usize]) -> Result<Option<(Vec<u8>, usize)>, ChunkError> {
    let mut chunked = Chunked::new(LIMIT);
    let mut body = Vec::new();
    let mut begin = 0;
    for &end in cuts.iter().chain([&input.len()]) {
        let mut at = begin;
        begin = end;
        loop {
            match chunked.decode(&input[at..end])? {
                Chunk::Data { data, used } => {
                    assert!(!data.is_empty());
                    body.extend_from_slice(data);
                    at += used;
                }
                Chunk::More => break,
                Chunk::End { used } => {
                    assert_eq!(chunked.body_bytes(), body.len() as u64);
                    return Ok(Some((body, input.len() - at - used)));
                }
            }
        }
    }
    assert!(!chunked.has_ended());
    Ok(None)
}

#[test]
fn a_body_is_put_together_and_its_end_is_found() {
    let body = b"5\r\nhello\r\n6;a=b;c=\"d;\\\"e\";f\r\n world\r\n0\r\nX-Check: 1\r\nHost: evil\r\n\r\nPOST";
    assert_eq!(whole(body), Ok(Some((b"hello world".to_vec(), 4))));
    assert_eq!(whole(b"0\r\n\r\n"), Ok(Some((Vec::new(), 0))));
    assert_eq!(whole(b"0000000000000002\r\nab\r\n0\r\n\r\n"), Ok(Some((b"ab".to_vec(), 0))));
    assert_eq!(whole(b"A\r\n0123456789\r\n00\r\n\r\n"), Ok(Some((b"0123456789".to_vec(), 0))));
}

#[test]
fn an_unfinished_body_goes_on() {
    for input in
        [&b""[..], b"5", b"5\r", b"5\r\n", b"5\r\nhel", b"5\r\nhello\r", b"5\r\nhello\r\n0\r\n", b"0\r\n\r", b"0\r\nX"]
    {
        assert_eq!(whole(input), Ok(None), "{:?}", String::from_utf8_lossy(input));
    }
}

#[test]
fn bad_sizes_are_malformed() {
    for size in ["0x5", "+5", "-5", "5_0", "5g", "", " 5", "5 ", "\t5", "00000000000000005", ";a", "5,5", "5."] {
        let input = format!("{size}\r\nhello\r\n0\r\n\r\n");
        assert_eq!(whole(input.as_bytes()), Err(ChunkError::Malformed), "{size:?}");
    }
    let zeros = "0".repeat(1_000) + "\r\n\r\n";
    assert_eq!(whole(zeros.as_bytes()), Err(ChunkError::Malformed));
}

#[test]
fn bad_line_ends_are_malformed() {
    for input in [
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\r\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "6\r\nhello\r\n0\r\n\r\n",
        "0\r\n\n",
        "0\r\nX: 1\n\r\n",
        "0\r\n folded: 1\r\n\r\n",
        "0\r\nno-colon\r\n\r\n",
        "0\r\nX: a\0b\r\n\r\n",
    ] {
        assert_eq!(whole(input.as_bytes()), Err(ChunkError::Malformed), "{input:?}");
    }
}

#[test]
fn bad_extensions_are_malformed() {
    for extension in [";", ";a\0", ";a=", ";a\rb", ";a\nb", ";;a", ";a=\"b", "; a", ";a=\"b\"c", " ;a"] {
        let input = format!("5{extension}\r\nhello\r\n0\r\n\r\n");
        assert_eq!(whole(input.as_bytes()), Err(ChunkError::Malformed), "{extension:?}");
    }
    let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(16 * 1024 + 1));
    assert_eq!(whole(long.as_bytes()), Err(ChunkError::Malformed));
}

#[test]
fn small_chunks_are_allowed_until_their_framing_is_too_much() {
    let mut input = Vec::new();
    for _ in 0..1_000 {
        input.extend_from_slice(b"1\r\nx\r\n");
    }
    input.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(whole(&input), Ok(Some((vec![b'x'; 1_000], 0))));
    let mut wasteful = Vec::new();
    for _ in 0..10_000 {
        wasteful.extend_from_slice(b"0000000000000001\r\nx\r\n");
    }
    assert_eq!(whole(&wasteful), Err(ChunkError::Framing));
}

#[test]
fn limits_hold() {
    assert_eq!(whole(b"100001\r\n"), Err(ChunkError::TooLarge), "by the announced size");
    assert_eq!(whole(b"ffffffffffffffff\r\n"), Err(ChunkError::TooLarge));
    let second = b"5\r\nhello\r\n100000\r\n";
    assert_eq!(whole(second), Err(ChunkError::TooLarge), "over all chunks");
    let many = format!("0\r\n{}\r\n", "X: 1\r\n".repeat(33));
    assert_eq!(whole(many.as_bytes()), Err(ChunkError::Trailers));
    let long = format!("0\r\nX: {}\r\n\r\n", "a".repeat(16 * 1024));
    assert_eq!(whole(long.as_bytes()), Err(ChunkError::Trailers));
    let enough = format!("0\r\n{}\r\n", "X: 1\r\n".repeat(32));
    assert_eq!(whole(enough.as_bytes()), Ok(Some((Vec::new(), 0))));
}

/// Mostly chunks, sometimes spoiled.
fn inputs() -> impl Strategy<Value = Vec<u8>> {
    let chunk = proptest::collection::vec(any::<u8>(), 1..20).prop_map(|data| {
        let mut chunk = format!("{:x}\r\n", data.len()).into_bytes();
        chunk.extend_from_slice(&data);
        chunk.extend_from_slice(b"\r\n");
        chunk
    });
    let spoil = proptest::option::of((any::<prop::sample::Index>(), any::<u8>()));
    (proptest::collection::vec(chunk, 0..6), spoil).prop_map(|(chunks, spoil)| {
        let mut input = chunks.concat();
        input.extend_from_slice(b"0\r\nX-Sum: 1\r\n\r\nrest");
        if let Some((index, byte)) = spoil {
            let at = index.index(input.len());
            input[at] = byte;
        }
        input
    })
}

proptest! {
    #[test]
    fn any_split_gives_the_same(input in inputs(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        cuts.sort_unstable();
        let one_by_one: Vec<usize> = (0..input.len()).collect();
        let expected = whole(&input);
        prop_assert_eq!(&in_pieces(&input, &cuts), &expected);
        prop_assert_eq!(&in_pieces(&input, &one_by_one), &expected);
    }

    #[test]
    fn any_bytes_are_survived(input in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = whole(&input);
    }
}
