//! Sessions that have ended before their time: the only thing of a session at rest that a server must remember.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::token::owner;

/// Sessions signed within so many seconds share an epoch.
const EPOCH_SECONDS: u64 = 300;

/// The oldest epoch in which a session may have been signed that lives.
pub(crate) fn oldest_epoch(now_s: u64, lifetime_s: u64) -> u32 {
    let epoch = now_s.saturating_sub(lifetime_s) / EPOCH_SECONDS;
    u32::try_from(epoch.saturating_sub(1)).unwrap_or(u32::MAX)
}

/// A session that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Ended {
    pub(crate) epoch: u32,
    pub(crate) id: u128,
}

/// The set of them. When it is full, the oldest epoch ends as a whole: its sessions have to begin anew, and nothing of
/// them needs to be remembered.
#[derive(Debug, Clone)]
pub(crate) struct Revoked {
    epochs: BTreeMap<u32, HashSet<u128>>,
    /// How many are whose.
    owners: HashMap<u32, u64>,
    /// Sessions of earlier epochs have ended.
    floor: u32,
    count: u64,
    max: u64,
}

impl Revoked {
    pub(crate) fn new(max: u64) -> Self {
        Self { epochs: BTreeMap::new(), owners: HashMap::new(), floor: 0, count: 0, max }
    }

    /// The epoch to sign in.
    pub(crate) fn epoch(&self, now_s: u64) -> u32 {
        u32::try_from(now_s / EPOCH_SECONDS).unwrap_or(u32::MAX).max(self.floor)
    }

    pub(crate) fn has(&self, ended: Ended) -> bool {
        ended.epoch < self.floor || self.epochs.get(&ended.epoch).is_some_and(|ids| ids.contains(&ended.id))
    }

    /// Nothing has ended.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0 && self.floor == 0
    }

    pub(crate) fn floor(&self) -> u32 {
        self.floor
    }

    /// True where its owner has ended less than half of what there is room for: else one alone could fill the set, and so
    /// end the sessions of others.
    pub(crate) fn has_share(&self, ended: Ended) -> bool {
        self.owners.get(&owner(ended.id)).copied().unwrap_or(0) < self.max.div_ceil(2)
    }

    pub(crate) fn insert(&mut self, ended: Ended) {
        if self.has(ended) {
            return;
        }
        while self.count >= self.max {
            let Some(oldest) = self.epochs.keys().next().copied() else {
                // There is room for none.
                return self.raise(ended.epoch.saturating_add(1));
            };
            self.raise(oldest.saturating_add(1));
        }
        if ended.epoch >= self.floor {
            self.epochs.entry(ended.epoch).or_default().insert(ended.id);
            *self.owners.entry(owner(ended.id)).or_default() += 1;
            self.count += 1;
        }
    }

    /// Ends all epochs before `floor`.
    pub(crate) fn raise(&mut self, floor: u32) {
        if floor > self.floor {
            self.floor = floor;
            self.epochs = self.epochs.split_off(&floor);
            self.recount();
        }
    }

    /// All that is remembered, which is forgotten with this.
    pub(crate) fn take(&mut self) -> Vec<Ended> {
        let all = self.all();
        *self = Self::new(self.max);
        all
    }

    /// Forgets sessions whose time is over anyway.
    pub(crate) fn forget_expired(&mut self, now_s: u64, lifetime_s: u64) {
        let over = |epoch: u32| (u64::from(epoch) + 1) * EPOCH_SECONDS + lifetime_s < now_s;
        if self.epochs.keys().next().is_some_and(|oldest| over(*oldest)) {
            self.epochs.retain(|epoch, _| !over(*epoch));
            self.recount();
        }
    }

    /// All that is remembered.
    pub(crate) fn all(&self) -> Vec<Ended> {
        let of = |(epoch, ids): (&u32, &HashSet<u128>)| {
            let epoch = *epoch;
            ids.iter().map(move |id| Ended { epoch, id: *id }).collect::<Vec<_>>()
        };
        self.epochs.iter().flat_map(of).collect()
    }

    fn recount(&mut self) {
        (self.count, self.owners) = (0, HashMap::new());
        for id in self.epochs.values().flatten() {
            *self.owners.entry(owner(*id)).or_default() += 1;
            self.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(epoch: u32, id: u128) -> Ended {
        Ended { epoch, id }
    }

    #[test]
    fn what_ended_is_known_and_nothing_else() {
        let mut revoked = Revoked::new(10);
        revoked.insert(ended(5, 1));
        revoked.insert(ended(5, 1));
        assert!(revoked.has(ended(5, 1)) && !revoked.has(ended(5, 2)) && !revoked.has(ended(4, 1)));
        assert_eq!((revoked.count, revoked.all()), (1, vec![ended(5, 1)]));
    }

    #[test]
    fn a_full_set_ends_its_oldest_epoch() {
        let mut revoked = Revoked::new(3);
        for (epoch, id) in [(4, 1), (4, 2), (6, 3), (6, 4)] {
            revoked.insert(ended(epoch, id));
        }
        assert_eq!((revoked.count, revoked.floor()), (2, 5));
        assert!(revoked.has(ended(4, 99)), "all of the epoch have ended");
        assert!(!revoked.has(ended(5, 1)) && revoked.has(ended(6, 4)));
        assert_eq!(revoked.epoch(6 * EPOCH_SECONDS), 6);
    }

    #[test]
    fn the_set_stays_bounded_when_all_ended_in_one_epoch() {
        let mut revoked = Revoked::new(3);
        (0..10).for_each(|id| revoked.insert(ended(7, id)));
        assert!(revoked.count <= 3 && (0..10).all(|id| revoked.has(ended(7, id))));
        assert_eq!(revoked.epoch(7 * EPOCH_SECONDS), 8, "what is signed now is of the next epoch");
        let mut none = Revoked::new(0);
        none.insert(ended(7, 1));
        assert!(none.has(ended(7, 1)) && none.count == 0);
    }

    #[test]
    fn one_owner_has_half_of_the_set_until_its_sessions_have_expired() {
        let own = |id: u128| ended(2, (7u128 << 96) | id);
        let mut revoked = Revoked::new(5);
        for id in 0..3 {
            assert!(revoked.has_share(own(id)));
            revoked.insert(own(id));
        }
        assert!(!revoked.has_share(own(3)) && revoked.has_share(ended(2, 1)));
        revoked.forget_expired(3 * EPOCH_SECONDS + 3_601, 3_600);
        assert!(revoked.has_share(own(3)));
        assert!(!Revoked::new(0).has_share(own(0)), "there is room for none");
    }

    #[test]
    fn what_has_expired_is_forgotten() {
        let mut revoked = Revoked::new(10);
        revoked.insert(ended(1, 1));
        revoked.insert(ended(3, 2));
        revoked.forget_expired(2 * EPOCH_SECONDS + 3_600, 3_600);
        assert_eq!(revoked.count, 2);
        assert!(oldest_epoch(2 * EPOCH_SECONDS + 3_600, 3_600) <= 1, "it may still matter");
        revoked.forget_expired(2 * EPOCH_SECONDS + 3_601, 3_600);
        assert_eq!(revoked.all(), [ended(3, 2)]);
    }
}
