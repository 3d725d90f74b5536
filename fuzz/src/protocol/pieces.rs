//! How an input is cut.

/// Cuts what follows the first byte into pieces, by that byte: 0 is byte by byte.
pub(super) fn cut(input: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let Some((seed, mut left)) = input.split_first() else { return (&[], Vec::new()) };
    let whole = left;
    let mut state = u32::from(*seed);
    let mut pieces = Vec::new();
    while !left.is_empty() {
        // A small generator of numbers is enough: the fuzzer chooses where it begins.
        state = state.wrapping_mul(1_664_525).wrapping_add(if *seed == 0 { 0 } else { 1_013_904_223 });
        let size = 1 + (state >> 27) as usize;
        let (piece, rest) = left.split_at(size.min(left.len()));
        pieces.push(piece);
        left = rest;
    }
    (whole, pieces)
}
