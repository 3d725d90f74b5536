use std::collections::BTreeMap;

/// A map that takes new keys up to a limit and counts what it turned away: a record of any size is judged in
/// bounded memory, and one that is too large is known to be.
#[derive(Debug)]
pub(crate) struct Bounded<K, V> {
    map: BTreeMap<K, V>,
    limit: usize,
    turned_away: u64,
}

impl<K: Ord, V> Bounded<K, V> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { map: BTreeMap::new(), limit, turned_away: 0 }
    }

    /// The last row of a key counts.
    pub(crate) fn put(&mut self, key: K, value: V) {
        if self.has_room(&key) {
            self.map.insert(key, value);
        }
    }

    pub(crate) fn or_default(&mut self, key: K) -> Option<&mut V>
    where
        V: Default,
    {
        self.has_room(&key).then(|| self.map.entry(key).or_default())
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.map.get_mut(key)
    }

    pub(crate) fn drop_before(&mut self, key: &K) {
        while self.map.first_key_value().is_some_and(|(first, _)| first < key) {
            self.map.pop_first();
        }
    }

    fn has_room(&mut self, key: &K) -> bool {
        let room = self.map.len() < self.limit || self.map.contains_key(key);
        self.turned_away += u64::from(!room);
        room
    }

    /// Counts one that cannot be taken.
    pub(crate) fn turn_away(&mut self) {
        self.turned_away += 1;
    }

    pub(crate) fn turned_away(&self) -> u64 {
        self.turned_away
    }
}

impl<K, V> std::ops::Deref for Bounded<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &Self::Target {
        &self.map
    }
}

/// Adds counts by name; past `limit` names the rest is counted as "other".
pub(crate) fn add_causes(into: &mut BTreeMap<String, u64>, from: &BTreeMap<String, u64>) {
    const NAMES_MAX: usize = 64;
    for (name, count) in from {
        if into.len() < NAMES_MAX || into.contains_key(name) {
            *into.entry(name.clone()).or_default() += count;
        } else {
            *into.entry("other".into()).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_keys_stay_writable_when_full() {
        let mut map: Bounded<u32, u32> = Bounded::new(1);
        map.put(1, 10);
        map.put(2, 20);
        map.put(1, 11);
        assert_eq!((map.get(&1), map.get(&2), map.turned_away()), (Some(&11), None, 1));
        assert!(map.or_default(3).is_none());
        assert_eq!(map.or_default(1).copied(), Some(11));
    }

    #[test]
    fn causes_past_the_bound_are_counted_as_other() {
        let mut all = BTreeMap::new();
        for number in 0..100 {
            add_causes(&mut all, &BTreeMap::from([(format!("http {number}"), 1)]));
        }
        assert_eq!(all.values().sum::<u64>(), 100);
        assert_eq!(all["other"], 36);
    }
}
