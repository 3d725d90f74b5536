//! The table of a shard's connections.

/// Entries that are allocated and freed together.
const CHUNK: usize = 256;

/// A slab in chunks: it grows without moving anything or doubling its memory, and gives a chunk back when its last
/// entry goes. Keys are dense and used again; whoever keeps a key must know by other means (a generation) whether
/// its entry is still the same.
#[derive(Debug)]
pub(crate) struct ChunkedSlab<T> {
    chunks: Vec<Chunk<T>>,
    /// Chunks with at least one free slot.
    open: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
struct Chunk<T> {
    /// None while the chunk holds nothing.
    entries: Option<Box<[Option<T>]>>,
    /// Bit set: the slot is free.
    free: [u64; CHUNK / 64],
    used: u16,
}

impl<T> ChunkedSlab<T> {
    pub(crate) fn new() -> Self {
        Self { chunks: Vec::new(), open: Vec::new(), len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes held for entries, used or not.
    pub(crate) fn bytes(&self) -> usize {
        let chunks = self.chunks.iter().filter(|chunk| chunk.entries.is_some()).count();
        chunks * CHUNK * size_of::<Option<T>>() + self.chunks.capacity() * size_of::<Chunk<T>>()
    }

    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if self.open.is_empty() {
            self.open.push(u32::try_from(self.chunks.len()).expect("a shard holds fewer than 2^32 chunks"));
            self.chunks.push(Chunk { entries: None, free: [u64::MAX; CHUNK / 64], used: 0 });
        }
        let at = *self.open.last().expect("a chunk was opened above");
        let chunk = &mut self.chunks[at as usize];
        let slot = chunk.take_free();
        let entries = chunk.entries.get_or_insert_with(|| (0..CHUNK).map(|_| None).collect());
        entries[slot] = Some(value);
        if usize::from(chunk.used) == CHUNK {
            self.open.pop();
        }
        self.len += 1;
        at * CHUNK as u32 + slot as u32
    }

    pub(crate) fn get(&self, key: u32) -> Option<&T> {
        let chunk = self.chunks.get(key as usize / CHUNK)?;
        chunk.entries.as_ref()?[key as usize % CHUNK].as_ref()
    }

    pub(crate) fn get_mut(&mut self, key: u32) -> Option<&mut T> {
        let chunk = self.chunks.get_mut(key as usize / CHUNK)?;
        chunk.entries.as_mut()?[key as usize % CHUNK].as_mut()
    }

    pub(crate) fn remove(&mut self, key: u32) -> Option<T> {
        let (at, slot) = (key as usize / CHUNK, key as usize % CHUNK);
        let chunk = self.chunks.get_mut(at)?;
        let value = chunk.entries.as_mut()?[slot].take()?;
        let was_full = usize::from(chunk.used) == CHUNK;
        chunk.used -= 1;
        chunk.free[slot / 64] |= 1 << (slot % 64);
        self.len -= 1;
        if was_full {
            self.open.push(at as u32);
        }
        // One empty chunk stays, so that a single connection that comes and goes allocates nothing.
        if chunk.used == 0 && self.open.len() > 1 {
            chunk.entries = None;
        }
        Some(value)
    }

    /// Keys in use. Holds for as long as nothing is inserted or removed.
    pub(crate) fn keys(&self) -> Vec<u32> {
        let mut keys = Vec::with_capacity(self.len);
        for (at, chunk) in self.chunks.iter().enumerate() {
            for (slot, entry) in chunk.entries.iter().flatten().enumerate() {
                if entry.is_some() {
                    keys.push((at * CHUNK + slot) as u32);
                }
            }
        }
        keys
    }
}

impl<T> Chunk<T> {
    /// Takes the lowest free slot. The caller knows that there is one.
    fn take_free(&mut self) -> usize {
        let word = self.free.iter().position(|bits| *bits != 0).expect("an open chunk has a free slot");
        let bit = self.free[word].trailing_zeros() as usize;
        self.free[word] &= !(1 << bit);
        self.used += 1;
        word * 64 + bit
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn chunks_are_given_back() {
        let mut slab = ChunkedSlab::new();
        let keys: Vec<u32> = (0..4 * CHUNK).map(|value| slab.insert(value)).collect();
        let full = slab.bytes();
        for key in keys {
            assert!(slab.remove(key).is_some());
            assert!(slab.remove(key).is_none());
        }
        assert_eq!(slab.len(), 0);
        assert!(slab.bytes() <= full / 3, "{} of {full}", slab.bytes());
        assert_eq!(slab.insert(7) as usize % CHUNK, 0);
    }

    proptest! {
        #[test]
        fn it_behaves_like_a_map(steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..2_000)) {
            let mut slab = ChunkedSlab::new();
            let mut model: HashMap<u32, usize> = HashMap::new();
            for (step, (insert, which)) in steps.into_iter().enumerate() {
                if insert || model.is_empty() {
                    let key = slab.insert(step);
                    prop_assert!(model.insert(key, step).is_none(), "a used key was given out again");
                } else {
                    let mut keys: Vec<u32> = model.keys().copied().collect();
                    keys.sort_unstable();
                    let key = *which.get(&keys);
                    prop_assert_eq!(slab.remove(key), model.remove(&key));
                }
            }
            prop_assert_eq!(slab.len(), model.len());
            let mut keys: Vec<u32> = model.keys().copied().collect();
            keys.sort_unstable();
            prop_assert_eq!(slab.keys(), keys);
            for (key, value) in &model {
                prop_assert_eq!(slab.get(*key), Some(value));
            }
        }
    }
}
