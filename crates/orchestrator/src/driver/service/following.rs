//! What becomes of the replicas: each is a member as long as clients are led to it, and where its slot has a new unit, they are
//! told its address.

use std::collections::BTreeSet;

use super::{Service, Unit};
use crate::driver::locked;
use crate::event::{Change, Event};

impl Service {
    /// What has changed. `is_member`: clients are led to this unit's address. `found` is all that runs, and is asked for only
    /// where some replica is out; `out` are those that were.
    pub(in crate::driver) async fn look(
        &self,
        is_member: impl Fn(&Unit) -> bool,
        found: impl Future<Output = Option<Vec<Unit>>>,
        out: &mut BTreeSet<u16>,
    ) -> Vec<Event> {
        let at_us = self.clock.now_us();
        let Some(gone) = self.gone(&is_member, out) else { return Vec::new() };
        let mut events: Vec<Event> =
            gone.into_iter().map(|replica| Event::Replica { replica, at_us, change: Change::Down }).collect();
        if !out.is_empty()
            && let Some(found) = found.await
            && self.replace(&is_member, &found, out)
        {
            events.push(Event::Moved(locked(&self.standing).endpoints()));
        }
        let standing = locked(&self.standing);
        let is_back = |replica: &u16| standing.units.get(replica).is_some_and(&is_member);
        let back: Vec<u16> = out.iter().copied().filter(is_back).collect();
        // Those that were taken away for good are not out.
        out.retain(|replica| standing.units.contains_key(replica) && !back.contains(replica));
        events.extend(back.into_iter().map(|replica| Event::Replica { replica, at_us, change: Change::Up }));
        events
    }

    /// Replicas that are newly out; None: their number is being changed.
    fn gone(&self, is_member: &impl Fn(&Unit) -> bool, out: &mut BTreeSet<u16>) -> Option<Vec<u16>> {
        let standing = locked(&self.standing);
        let lost = |(replica, unit): (&u16, &Unit)| (!is_member(unit) && out.insert(*replica)).then_some(*replica);
        (!standing.is_changing).then(|| standing.units.iter().filter_map(lost).collect())
    }

    /// Gives slots that have lost their units the new ones; true where there is one.
    fn replace(&self, is_member: &impl Fn(&Unit) -> bool, found: &[Unit], out: &BTreeSet<u16>) -> bool {
        let mut standing = locked(&self.standing);
        let mut taken: BTreeSet<String> = standing.units.values().map(|unit| unit.id.clone()).collect();
        let mut is_new = false;
        for (_, unit) in standing.units.iter_mut().filter(|(replica, _)| out.contains(replica)) {
            let mut next = found.iter().filter(|other| other.slot == unit.slot && !taken.contains(&other.id));
            let at_some = |other: &Unit| {
                let mut places = other.addresses.iter().map(|address| other.clone().at(*address));
                places.find(is_member)
            };
            if let Some(next) = next.find_map(at_some) {
                taken.insert(next.id.clone());
                *unit = next;
                is_new = true;
            }
        }
        is_new
    }
}
