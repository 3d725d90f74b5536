//! The Authorization fields that let somebody in lately, as they came: to compare one costs less than to take its digest.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::gate::Principal;

/// Fields of one shard; a further one takes the place of an older one.
const PLACES: usize = 4_096;
/// A longer field has no place.
const FIELD_BYTES_MAX: usize = 1_024;

#[derive(Default)]
pub(super) struct Recent {
    state: RandomState,
    /// By the lowest bits of the hash; empty before the first field.
    places: Vec<Option<Known>>,
}

struct Known {
    hash: u64,
    field: Box<[u8]>,
    principal: Arc<Principal>,
    /// Seconds since 1970.
    until_s: u64,
}

impl fmt::Debug for Recent {
    /// No token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").finish_non_exhaustive()
    }
}

impl Recent {
    pub(super) fn find(&self, field: &[u8], now_s: u64) -> Option<&Arc<Principal>> {
        let hash = self.state.hash_one(field);
        let known = self.places.get(place(hash))?.as_ref()?;
        // How long bytes are compared tells nothing to who does not know the whole hash.
        let is_it = known.hash == hash && *known.field == *field && now_s < known.until_s;
        is_it.then_some(&known.principal)
    }

    pub(super) fn keep(&mut self, field: &[u8], principal: &Arc<Principal>, until_s: u64) {
        if field.len() > FIELD_BYTES_MAX {
            return;
        }
        if self.places.is_empty() {
            self.places.resize_with(PLACES, || None);
        }
        let hash = self.state.hash_one(field);
        let known = Known { hash, field: field.into(), principal: Arc::clone(principal), until_s };
        self.places[place(hash)] = Some(known);
    }

    /// Forgets those whose time is over.
    pub(super) fn sweep(&mut self, now_s: u64) {
        for place in &mut self.places {
            if place.as_ref().is_some_and(|known| known.until_s <= now_s) {
                *place = None;
            }
        }
    }
}

fn place(hash: u64) -> usize {
    hash as usize % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_known_as_it_came_and_in_its_time() {
        let mut recent = Recent::default();
        assert!(recent.find(b"Bearer a", 0).is_none());
        let alice = Arc::new(Principal::named("alice"));
        recent.keep(b"Bearer a", &alice, 100);
        let is_known = |recent: &Recent, field: &[u8], now_s| {
            recent.find(field, now_s).is_some_and(|known| Arc::ptr_eq(known, &alice))
        };
        assert!(is_known(&recent, b"Bearer a", 99) && !is_known(&recent, b"Bearer a", 100));
        assert!(
            !is_known(&recent, b"bearer a", 0) && !is_known(&recent, b"Bearer a ", 0) && !is_known(&recent, b"", 0)
        );
        recent.keep(&[b'x'; FIELD_BYTES_MAX + 1], &alice, 100);
        assert!(!is_known(&recent, &[b'x'; FIELD_BYTES_MAX + 1], 0), "too long");
        assert_eq!(Arc::strong_count(&alice), 2);
        recent.sweep(100);
        assert_eq!(Arc::strong_count(&alice), 1, "nobody is kept for ever");
        (0..3 * PLACES).for_each(|number| recent.keep(number.to_string().as_bytes(), &alice, 100));
        assert!(Arc::strong_count(&alice) <= PLACES + 1);
        assert!(!format!("{recent:?}").contains("Bearer"));
    }
}
