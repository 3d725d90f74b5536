//! Inputs of the smokes: good ones that were tampered with. libFuzzer makes its own.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;

/// So many inputs in a smoke, the same ones each time; and as many others as PROPTEST_CASES says where somebody wants more.
pub(crate) fn cases(smoke: u32) -> ProptestConfig {
    let more = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let rng_seed = if more.is_some() { RngSeed::Random } else { RngSeed::Fixed(7) };
    ProptestConfig { failure_persistence: None, rng_seed, ..ProptestConfig::with_cases(more.unwrap_or(smoke)) }
}

/// Bytes that mean something to one reader or another.
const ODD: &[u8] = b"\r\n\t :,;\0\x01\x0b\x7f\x80\xa0\xc3\xff09aAzZ+-_/*#\"\\{}[]=?.|";

#[derive(Debug, Clone)]
enum Edit {
    Replace(Index, u8),
    Insert(Index, u8),
    Remove(Index, usize),
    /// A piece again, somewhere else.
    Repeat(Index, Index, usize),
    Cut(Index),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let odd = || prop_oneof![3 => prop::sample::select(ODD), 1 => any::<u8>()];
    let edit = prop_oneof![
        6 => (any::<Index>(), odd()).prop_map(|(at, byte)| Edit::Replace(at, byte)),
        6 => (any::<Index>(), odd()).prop_map(|(at, byte)| Edit::Insert(at, byte)),
        3 => (any::<Index>(), 1..8usize).prop_map(|(at, count)| Edit::Remove(at, count)),
        2 => (any::<Index>(), any::<Index>(), 1..40usize).prop_map(|(from, to, count)| Edit::Repeat(from, to, count)),
        1 => any::<Index>().prop_map(Edit::Cut),
    ];
    prop::collection::vec(edit, 0..5)
}

fn apply(bytes: &mut Vec<u8>, edit: &Edit) {
    if bytes.is_empty() {
        return;
    }
    let end = |at: usize, count: usize| (at + count).min(bytes.len());
    match edit {
        Edit::Replace(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Edit::Insert(at, byte) => bytes.insert(at.index(bytes.len() + 1), *byte),
        Edit::Remove(at, count) => {
            let at = at.index(bytes.len());
            bytes.drain(at..end(at, *count));
        }
        Edit::Repeat(from, to, count) => {
            let from = from.index(bytes.len());
            let piece = bytes[from..end(from, *count)].to_vec();
            let to = to.index(bytes.len() + 1);
            bytes.splice(to..to, piece);
        }
        Edit::Cut(at) => bytes.truncate(at.index(bytes.len() + 1)),
    }
}

/// Inputs made of a few of these, one behind the other, with some of their bytes changed.
pub(crate) fn tampered(good: Vec<Vec<u8>>, together_max: usize) -> impl Strategy<Value = Vec<u8>> {
    let parts = prop::collection::vec(prop::sample::select(good), 1..=together_max);
    (parts, edits()).prop_map(|(parts, edits)| {
        let mut bytes = parts.concat();
        edits.iter().for_each(|edit| apply(&mut bytes, edit));
        bytes
    })
}
