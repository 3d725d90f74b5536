//! Which other clusters share the database: who was heard of, and when. Without IO.

use std::collections::BTreeMap;

use serde::Serialize;

use super::letter::Presence;

/// One that has said nothing for so long is silent: it says something once a second.
const SILENT_NS: u64 = 3_000_000_000;
/// One that has said nothing for so long has been replaced by one of the same name and address.
const REPLACED_NS: u64 = 1_500_000_000;
/// One that has said nothing for so long is not named any more: somebody has to see that it is missing.
const FORGOTTEN_NS: u64 = 24 * 3_600 * 1_000_000_000;
/// More are not named; one that is silent makes room.
const PEERS_MAX: usize = 256;

#[derive(Debug)]
struct Peer {
    presence: Presence,
    is_ours: bool,
    seen_ns: u64,
    is_silent: bool,
}

/// A peer as /status and the control socket show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::cluster) struct Row {
    name: String,
    address: String,
    version: String,
    /// As it says of itself; "silent" where it has not said anything for three seconds, "unknown" where this cluster can't hear.
    state: String,
    replicas: u16,
    members: u16,
    last_seen_ms: u64,
    /// It has the same session key: sessions and notifications are shared with it, and not operations alone.
    same_key: bool,
}

/// What a word of a peer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It was there before.
    Known,
    New,
    /// It was silent, or has begun anew: what it said meanwhile was not heard.
    Back,
}

#[derive(Debug, Default)]
pub(super) struct Peers {
    known: BTreeMap<u64, Peer>,
    /// Since when this cluster can hear; none while it can't.
    hears_since_ns: Option<u64>,
}

impl Peers {
    pub(super) fn hears(&mut self, since_ns: Option<u64>) {
        self.hears_since_ns = since_ns;
    }

    /// One has said that it is there; none where there are too many to be known.
    pub(super) fn here(&mut self, from: u64, presence: Presence, is_ours: bool, now_ns: u64) -> Option<Arrival> {
        let (before, is_new) = (self.known.len(), !self.known.contains_key(&from));
        // The same machine in an earlier life is not there any more. Two that live may be called the same by mistake.
        let is_before = |base: u64, peer: &Peer| {
            let has_moved = is_new && peer.is_silent;
            let is_same =
                peer.presence.name == presence.name && (has_moved || peer.presence.address == presence.address);
            base != from && is_same && now_ns.saturating_sub(peer.seen_ns) >= REPLACED_NS
        };
        self.known.retain(|base, peer| !is_before(*base, peer));
        let has_replaced = self.known.len() < before;
        let arrival = match self.known.get(&from) {
            Some(peer) if peer.is_silent || has_replaced => Arrival::Back,
            Some(_) => Arrival::Known,
            None if has_replaced => Arrival::Back,
            None => Arrival::New,
        };
        if is_new && self.known.len() >= PEERS_MAX {
            let silent = self.known.iter().filter(|(_, peer)| peer.is_silent);
            let longest = silent.min_by_key(|(_, peer)| peer.seen_ns).map(|(base, _)| *base)?;
            self.known.remove(&longest);
        }
        self.known.insert(from, Peer { presence, is_ours, seen_ns: now_ns, is_silent: false });
        Some(arrival)
    }

    /// One has ended in order: it has said all that it had to say. Its name, where it was known.
    pub(super) fn gone(&mut self, from: u64) -> Option<String> {
        self.known.remove(&from).map(|peer| peer.presence.name)
    }

    /// Who has just fallen silent: names, and whether they are of this cluster. What they did at last may not have been told.
    pub(super) fn look(&mut self, now_ns: u64) -> Vec<(String, bool)> {
        let Some(since_ns) = self.hears_since_ns else { return Vec::new() };
        let mut silent = Vec::new();
        for peer in self.known.values_mut() {
            let heard_ns = peer.seen_ns.max(since_ns);
            if !peer.is_silent && now_ns.saturating_sub(heard_ns) >= SILENT_NS {
                peer.is_silent = true;
                silent.push((peer.presence.name.clone(), peer.is_ours));
            }
        }
        self.known.retain(|_, peer| !peer.is_silent || now_ns.saturating_sub(peer.seen_ns) < FORGOTTEN_NS);
        silent
    }

    pub(super) fn rows(&self, now_ns: u64) -> Vec<Row> {
        let row = |peer: &Peer| {
            let Presence { name, address, version, state, replicas, members, .. } = peer.presence.clone();
            let state = match (peer.is_silent, self.hears_since_ns) {
                (true, _) => "silent".to_string(),
                (false, None) => "unknown".to_string(),
                (false, Some(_)) => state,
            };
            let last_seen_ms = now_ns.saturating_sub(peer.seen_ns) / 1_000_000;
            Row { name, address, version, state, replicas, members, last_seen_ms, same_key: peer.is_ours }
        };
        let mut rows: Vec<Row> = self.known.values().map(row).collect();
        rows.sort_by(|a, b| (&a.name, &a.address).cmp(&(&b.name, &b.address)));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn presence(name: &str) -> Presence {
        Presence { name: name.into(), address: "10.0.0.1:8080".into(), state: "running".into(), ..Presence::default() }
    }

    fn states(peers: &Peers, now_ns: u64) -> Vec<(String, String, u64)> {
        peers.rows(now_ns).into_iter().map(|row| (row.name, row.state, row.last_seen_ms)).collect()
    }

    fn state(name: &str, state: &str, last_seen_ms: u64) -> (String, String, u64) {
        (name.into(), state.into(), last_seen_ms)
    }

    const HOUR: u64 = 3_600 * SECOND;

    #[test]
    fn one_that_says_nothing_is_silent_then_forgotten() {
        let mut peers = Peers::default();
        peers.hears(Some(0));
        assert_eq!(peers.here(1, presence("east"), true, SECOND), Some(Arrival::New));
        assert_eq!(peers.here(1, presence("east"), true, 2 * SECOND), Some(Arrival::Known));
        assert_eq!(peers.look(5 * SECOND - 1), []);
        assert_eq!(peers.look(5 * SECOND), [("east".to_string(), true)]);
        assert_eq!(peers.look(6 * SECOND), [], "it is told once");
        assert_eq!(states(&peers, 6 * SECOND), [state("east", "silent", 4_000)]);
        assert_eq!(peers.here(1, presence("east"), true, 7 * SECOND), Some(Arrival::Back));
        assert_eq!(states(&peers, 7 * SECOND), [state("east", "running", 0)]);
        peers.look(20 * SECOND);
        peers.look(7 * SECOND + 24 * HOUR - 1);
        assert_eq!(states(&peers, 7 * SECOND + HOUR), [state("east", "silent", 3_600_000)]);
        peers.look(7 * SECOND + 24 * HOUR);
        assert_eq!(peers.rows(7 * SECOND + 24 * HOUR), []);
    }

    #[test]
    fn one_that_comes_back_after_hours_is_known_also_in_another_life() {
        let back_from = |address: &str| {
            let mut peers = Peers::default();
            peers.hears(Some(0));
            peers.here(1, presence("east"), true, 0);
            peers.here(2, presence("west"), true, 0);
            assert_eq!(peers.look(HOUR).len(), 2);
            let reborn = Presence { address: address.into(), ..presence("east") };
            assert_eq!(
                peers.here(3, reborn, true, 2 * HOUR),
                Some(Arrival::Back),
                "what it did meanwhile was not heard"
            );
            states(&peers, 2 * HOUR)
        };
        let expected = [state("east", "running", 0), state("west", "silent", 7_200_000)];
        assert_eq!(back_from("10.0.0.1:8080"), expected);
        assert_eq!(back_from("10.0.0.9:8080"), expected);
    }

    #[test]
    fn one_that_lives_hides_no_silent_one_of_the_same_name() {
        let mut peers = Peers::default();
        peers.hears(Some(0));
        let twin = || Presence { address: "10.0.0.2:8080".into(), ..presence("east") };
        peers.here(1, presence("east"), true, 0);
        peers.here(2, twin(), true, 0);
        peers.here(2, twin(), true, 4 * SECOND);
        assert_eq!(peers.look(4 * SECOND).len(), 1);
        assert_eq!(peers.here(2, twin(), true, 5 * SECOND), Some(Arrival::Known));
        assert_eq!(states(&peers, 5 * SECOND), [state("east", "silent", 5_000), state("east", "running", 0)]);
    }

    #[test]
    fn nobody_is_silent_while_this_one_cannot_hear() {
        let mut peers = Peers::default();
        peers.hears(Some(0));
        peers.here(1, presence("east"), true, SECOND);
        peers.hears(None);
        assert_eq!(peers.look(50 * SECOND), []);
        assert_eq!(states(&peers, 50 * SECOND), [state("east", "unknown", 49_000)]);
        peers.hears(Some(50 * SECOND));
        assert_eq!(peers.look(52 * SECOND), [], "it has three seconds from now on");
        assert_eq!(peers.look(53 * SECOND).len(), 1);
    }

    #[test]
    fn one_that_ends_is_gone_and_one_that_begins_anew_is_one() {
        let mut peers = Peers::default();
        peers.hears(Some(0));
        peers.here(1, presence("east"), true, 0);
        peers.here(2, presence("west"), false, 0);
        assert_eq!(peers.here(3, presence("east"), true, SECOND), Some(Arrival::New), "both may be there");
        assert_eq!(peers.rows(SECOND).len(), 3);
        assert_eq!(peers.here(3, presence("east"), true, 2 * SECOND), Some(Arrival::Back));
        assert_eq!(peers.rows(2 * SECOND).len(), 2);
        assert_eq!((peers.gone(2), peers.gone(1)), (Some("west".to_string()), None));
        assert_eq!(states(&peers, 2 * SECOND), [state("east", "running", 0)]);
    }

    #[test]
    fn so_many_are_named_and_no_more() {
        let mut peers = Peers::default();
        for number in 0..=PEERS_MAX as u64 {
            let is_known = peers.here(number, presence(&number.to_string()), true, 0).is_some();
            assert_eq!(is_known, number < PEERS_MAX as u64);
        }
        assert_eq!(peers.here(0, presence("0"), true, 1), Some(Arrival::Known));
        assert_eq!(peers.rows(0).len(), PEERS_MAX);
        peers.hears(Some(0));
        peers.look(SILENT_NS);
        assert_eq!(peers.here(1_000, presence("new"), true, SILENT_NS), Some(Arrival::New), "a silent one makes room");
        assert_eq!(peers.rows(SILENT_NS).len(), PEERS_MAX);
    }
}
